//! Stopping a run, or other work, from elsewhere: by a signal where the program takes them, by a caller's own choice
//! anywhere else.

use std::io;

use tokio::runtime::Builder;
use tokio::sync::watch;

use super::farewell::Farewell;

/// A way to stop a run from any thread, as Ctrl-C stops the command: calls that are under way are given up and counted as
/// aborted, devices disconnect, and the result comes all the same, with the verdict `aborted`. Its clones are the same
/// handle.
#[derive(Debug, Clone, Default)]
pub struct StopHandle {
    asked: watch::Sender<bool>,
    farewell: Farewell,
}

impl StopHandle {
    /// One that nobody has used yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything that was started with this handle to stop. Asking again changes nothing.
    pub fn stop(&self) {
        self.asked.send_replace(true);
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.asked.borrow()
    }

    /// Blocks until somebody asks. Not to be called within an async runtime.
    ///
    /// # Errors
    /// The system has nothing left to wait with.
    pub fn wait(&self) -> io::Result<()> {
        let runtime = Builder::new_current_thread().build()?;
        runtime.block_on(self.request().come());
        Ok(())
    }

    /// Blocks until somebody asks for either. Not to be called within an async runtime.
    ///
    /// # Errors
    /// The system has nothing left to wait with.
    pub fn wait_for_either(&self, other: &Self) -> io::Result<()> {
        let runtime = Builder::new_current_thread().build()?;
        let (mut one, mut another) = (self.request(), other.request());
        runtime.block_on(async {
            tokio::select! {
                () = one.come() => {}
                () = another.come() => {}
            }
        });
        Ok(())
    }

    /// What is to be done before a second signal ends the program.
    pub(super) const fn farewell(&self) -> &Farewell {
        &self.farewell
    }

    /// The end that waits.
    pub(super) fn request(&self) -> StopRequest {
        StopRequest { asked: Some(self.asked.subscribe()) }
    }
}

/// A stop that is asked for once.
#[derive(Debug)]
pub(super) struct StopRequest {
    asked: Option<watch::Receiver<bool>>,
}

impl StopRequest {
    /// Waits for it; for ever once it has come, or once nobody is left who could ask.
    pub(super) async fn come(&mut self) {
        if let Some(asked) = &mut self.asked {
            let came = asked.wait_for(|asked| *asked).await.is_ok();
            self.asked = None;
            if came {
                return;
            }
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stop_comes_once_whenever_it_was_asked_for() {
        let handle = StopHandle::new();
        let mut early = handle.request();
        assert!(timeout(Duration::from_secs(1), early.come()).await.is_err() && !handle.is_stopped());
        handle.clone().stop();
        handle.stop();
        assert!(handle.is_stopped());
        let mut late = handle.request();
        for request in [&mut early, &mut late] {
            request.come().await;
            assert!(timeout(Duration::from_secs(1), request.come()).await.is_err(), "it came twice");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handle_that_is_gone_stops_nothing() {
        let mut request = StopHandle::new().request();
        assert!(timeout(Duration::from_secs(1), request.come()).await.is_err());
    }

    #[test]
    fn whoever_blocks_for_it_goes_on() {
        let handle = StopHandle::new();
        let other = handle.clone();
        let waits = std::thread::spawn(move || other.wait());
        handle.stop();
        waits.join().unwrap().unwrap();
    }
}
