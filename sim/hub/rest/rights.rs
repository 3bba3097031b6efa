//! Which right a request needs, as the hub's pages document it.

use hyper::Method;

use crate::hub::access::Rights;

/// What the policy of a request must permit; nothing for an address where there is nothing. Queries read the registry:
/// the real hub refuses them to the policy `service`.
pub(super) fn needed(method: &Method, segments: &[&str]) -> Rights {
    let reads = *method == Method::GET;
    match segments {
        ["twins" | "digitaltwins" | "messages", ..] | ["devices", _, "commands"] => Rights::SERVICE_CONNECT,
        ["devices", "query"] | ["configurations", "testQueries"] | ["statistics", ..] => Rights::REGISTRY_READ,
        ["devices" | "configurations" | "jobs", ..] if reads => Rights::REGISTRY_READ,
        ["devices" | "configurations" | "jobs", ..] => Rights::REGISTRY_WRITE,
        _ => Rights::NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_needs_what_is_documented() {
        let (read, write, service) = (Rights::REGISTRY_READ, Rights::REGISTRY_WRITE, Rights::SERVICE_CONNECT);
        for (method, path, right) in [
            (Method::GET, "twins/d", service),
            (Method::PATCH, "twins/d/modules/m", service),
            (Method::POST, "twins/d/methods", service),
            (Method::GET, "digitaltwins/d", service),
            (Method::DELETE, "devices/d/commands", service),
            (Method::GET, "messages/serviceBound/feedback", service),
            (Method::POST, "devices/query", read),
            (Method::GET, "devices", read),
            (Method::GET, "devices/d/modules/m", read),
            (Method::GET, "statistics/devices", read),
            (Method::GET, "jobs/v2/query", read),
            (Method::GET, "configurations/c", read),
            (Method::POST, "configurations/testQueries", read),
            (Method::POST, "devices", write),
            (Method::PUT, "devices/d", write),
            (Method::DELETE, "devices/d/modules/m", write),
            (Method::PUT, "jobs/v2/j", write),
            (Method::POST, "jobs/v2/j/cancel", write),
            (Method::PUT, "configurations/c", write),
            (Method::POST, "devices/d/applyConfigurationContent", write),
            (Method::GET, "nothing", Rights::NONE),
        ] {
            let segments: Vec<&str> = path.split('/').collect();
            assert_eq!(needed(&method, &segments), right, "{method} {path}");
        }
    }
}
