//! The task's part in a download, which its worker keeps.

use std::rc::Rc;
use std::task::Context;

use super::Task;
use crate::device::Package;
use crate::device::download::Download;
use crate::device::event::Input;
use crate::device::workers::Buffers;
use crate::dialect::DeviceDialect;
use crate::time::Nanos;

impl<D: DeviceDialect + 'static> Task<D> {
    /// Starts to download what the session wants; an earlier download ends.
    pub(super) fn download(&mut self, package: Box<Package>, update: u32) {
        let worker = self.worker.worker();
        if let Some(downloads) = &worker.downloads {
            downloads.keep(self.device, Download::start(Rc::clone(worker), self.device, update, package));
            self.downloading = true;
        }
    }

    /// Hands on what there is to say of a download. Whether it is over.
    pub(super) fn poll_download(&mut self, cx: &mut Context<'_>, now: Nanos, buffers: &mut Buffers) -> bool {
        if !self.downloading {
            return false;
        }
        let downloads = self.worker.worker().downloads.as_ref();
        let Some((downloads, mut download)) = downloads.and_then(|all| Some((all, all.take(self.device)?))) else {
            return false;
        };
        while let Some(input) = download.poll(cx) {
            let over = matches!(input, Input::Downloaded(_));
            self.session.handle(now, input, &mut buffers.out);
            if over {
                self.downloading = false;
                return true;
            }
        }
        downloads.keep(self.device, download);
        false
    }
}

impl<D> Drop for Task<D> {
    /// Whoever stops or vanishes downloads no more.
    fn drop(&mut self) {
        if self.downloading {
            drop(self.worker.worker().downloads.as_ref().and_then(|downloads| downloads.take(self.device)));
        }
    }
}
