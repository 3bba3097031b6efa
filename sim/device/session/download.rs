//! The session's download of an image.

use super::Session;
use crate::device::event::{Event, Output};
use crate::device::{Downloaded, Package};
use crate::dialect::DeviceDialect;
use crate::policy::Series;
use crate::time::Nanos;

impl<D: DeviceDialect> Session<D> {
    /// Starts the download whose turn has come.
    pub(super) fn start_download(&mut self, package: Box<Package>, out: &mut Vec<Output>) {
        self.decide(out, || "downloading the image that the call names".to_owned());
        out.push(Output::Download { package, update: self.updates - 1 });
    }

    /// So many percent are there.
    pub(super) fn progressed(&mut self, percent: u8, out: &mut Vec<Output>) {
        if let Some(document) = self.workflow.progress(percent) {
            self.outbox.push_progress(document, self.updates);
            self.decide(out, || format!("{percent} % of the image are there"));
        }
    }

    pub(super) fn downloaded(&mut self, now: Nanos, downloaded: Downloaded, out: &mut Vec<Output>) {
        let Downloaded { result, took, bytes, resumes, trouble, starved } = downloaded;
        let failed = result.is_err();
        let series = if failed { Series::ImageDownloadError } else { Series::ImageDownload };
        out.push(Output::Event(Event::Sample(series, took)));
        out.push(Output::Event(Event::Downloaded { bytes, resumes, failed }));
        self.decide(out, || {
            let how = trouble.as_deref().map_or_else(String::new, |trouble| format!("; {trouble}"));
            format!("download over after {took:?}: {result:?}, {bytes} bytes, resumed {resumes} times{how}")
        });
        // What went well in the end concerns nobody.
        if let Some(trouble) = trouble.filter(|_| failed) {
            out.push(Output::Event(Event::Failed(format!("image download: {trouble}"))));
        }
        if let Some(shortage) = starved {
            out.push(Output::Event(Event::Starved(shortage)));
        }
        if self.workflow.downloaded(now, took, result) && failed {
            out.push(Output::Event(Event::FailedItself));
        }
    }
}
