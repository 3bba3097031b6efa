"""azure-iot-hub's IoTHubJobManager against the hub."""

from datetime import datetime, timedelta, timezone

import pytest
from azure.iot.hub.models import JobProperties, JobRequest, Twin

from support.devices import device
from support.program import wait_until
from support.rows import service
from support.service import PRIMARY, SECONDARY, desired, method, query, refused, values


@pytest.fixture
def jobs(hub):
    return hub.jobs()


@pytest.fixture
def job_id(name):
    return name.lower().replace("_", "-")[-64:].strip("-")


def ended(jobs, job_id):
    """The job, when it has come to its end."""

    def look():
        job = jobs.get_scheduled_job(job_id)
        return job if job.status in ("completed", "failed", "cancelled") else None

    return wait_until(look, f"the end of job {job_id}", pause=0.2)


def counts(job):
    s = job.device_job_statistics
    return {
        "devices": s.device_count,
        "succeeded": s.succeeded_count,
        "failed": s.failed_count,
        "running": s.running_count,
        "pending": s.pending_count,
    }


def method_job(job_id, ids, request, **more):
    condition = f"deviceId IN [{', '.join(repr(each) for each in ids)}]"
    return JobRequest(
        job_id=job_id,
        type="scheduleDeviceMethod",
        cloud_to_device_method=request,
        query_condition=condition,
        max_execution_time_in_seconds=60,
        **more,
    )


@service("create_scheduled_job", "`scheduleDeviceMethod`, over a query; an offline device fails")
def test_a_method_is_scheduled(hub, jobs, job_id, name):
    registry = hub.registry()
    registry.create_device_with_sas(f"{name}-off", PRIMARY, SECONDARY, "enabled")
    with device(hub, f"{name}-0") as one, device(hub, f"{name}-1") as two:
        one.listen(), two.listen()
        request = method_job(
            job_id,
            [f"{name}-0", f"{name}-1", f"{name}-off"],
            method("ping", {"n": 1}),
            start_time=datetime.now(timezone.utc),
        )
        made = jobs.create_scheduled_job(job_id, request)
        assert (made.job_id, made.type) == (job_id, "scheduleDeviceMethod")
        assert made.status in ("queued", "enqueued", "scheduled", "running")
        job = ended(jobs, job_id)
        assert counts(job) == {"devices": 3, "succeeded": 2, "failed": 1, "running": 0, "pending": 0}
        assert one.methods.get_nowait() == two.methods.get_nowait() == ("ping", {"n": 1})
    with refused(409, "JobAlreadyExists"):
        jobs.create_scheduled_job(job_id, request)


@service("create_scheduled_job", "`scheduleUpdateTwin`")
def test_a_twin_update_is_scheduled(hub, jobs, job_id, name):
    registry = hub.registry()
    twin = Twin(etag="*", tags={"by": "job"}, properties=desired({"level": 5}).properties)
    with device(hub, name) as it:
        it.listen()
        jobs.create_scheduled_job(
            job_id,
            JobRequest(
                job_id=job_id,
                type="scheduleUpdateTwin",
                update_twin=twin,
                query_condition=f"deviceId = '{name}'",
                max_execution_time_in_seconds=60,
            ),
        )
        assert counts(ended(jobs, job_id))["succeeded"] == 1
        assert it.next_patch()["level"] == 5
    assert registry.get_twin(name).tags == {"by": "job"}


@service("get_scheduled_job")
def test_a_job_is_read(hub, jobs, job_id, name):
    with device(hub, name) as it:
        it.listen()
        jobs.create_scheduled_job(job_id, method_job(job_id, [name], method("ping")))
        job = ended(jobs, job_id)
    assert (job.job_id, job.type, job.status) == (job_id, "scheduleDeviceMethod", "completed")
    assert job.created_time <= job.start_time <= job.end_time
    assert job.cloud_to_device_method.method_name == "ping"
    assert job.max_execution_time_in_seconds == 60
    # As the hub of the cloud has it: no error, but a job of which nothing is known.
    unknown = jobs.get_scheduled_job(f"{job_id[:60]}-no")
    assert (unknown.type, unknown.status) == ("unknown", "unknown")


@service("query_iot_hub", "`FROM devices.jobs`: one row for each device of a job")
def test_the_devices_of_a_job_are_queried(hub, jobs, job_id, name):
    with device(hub, name) as it:
        it.listen()
        jobs.create_scheduled_job(job_id, method_job(job_id, [name, f"{name}-no"], method("ping", 7)))
        ended(jobs, job_id)
    found = query(hub.registry(), f"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{job_id}'")
    assert found.type == "DeviceJob"
    (row,) = found.items
    assert (row.device_id, row.status) == (name, "completed")
    (rest,) = values(found.items)
    assert rest["jobType"] == "scheduleDeviceMethod"
    assert rest["outcome"]["deviceMethodResponse"] == {"status": 200, "payload": {"echo": 7}}


@service("cancel_scheduled_job")
def test_a_job_is_cancelled(jobs, hub, job_id, name):
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    jobs.create_scheduled_job(job_id, method_job(job_id, [name], method("ping"), start_time=later))
    assert jobs.get_scheduled_job(job_id).status in ("scheduled", "queued")
    jobs.cancel_scheduled_job(job_id)
    assert ended(jobs, job_id).status == "cancelled"
    with refused(405, "OperationNotAllowedInCurrentState"):
        jobs.cancel_scheduled_job(job_id)


@service(
    "query_scheduled_jobs",
    result="crashes in the SDK: it wants an object where the other SDKs, and hubs, have an array",
)
def test_jobs_cannot_be_listed_with_this_sdk(jobs, hub):
    from msrest.exceptions import DeserializationError

    with pytest.raises((DeserializationError, AttributeError, TypeError)):
        jobs.query_scheduled_jobs("scheduleDeviceMethod", "completed")


# Import and export need a storage account, which the hub has not.


@service("create_import_export_job", result="refused, 400: there is no storage account")
def test_nothing_is_imported(jobs):
    with refused(400, "BlobContainerValidationError"):
        jobs.create_import_export_job(
            JobProperties(type="export", output_blob_container_uri="https://example.com/none")
        )


@service("get_import_export_jobs", result="works: there are none")
def test_there_are_no_imports(jobs):
    assert jobs.get_import_export_jobs() == []


@service("get_import_export_job", result="refused, 404 JobNotFound")
def test_there_is_no_import(jobs):
    with refused(404, "JobNotFound"):
        jobs.get_import_export_job("none")


@service("cancel_import_export_job", result="refused, 404 JobNotFound")
def test_there_is_no_import_to_cancel(jobs):
    with refused(404, "JobNotFound"):
        jobs.cancel_import_export_job("none")
