//! What lies between a socket and MQTT: TLS, the frames of a WebSocket, or the one within the other.

use bytes::BytesMut;

use super::ConnectionError;
use crate::mqtt::tls::Engine;
use crate::mqtt::websocket::Framing;

/// The layers of one connection, the outer one first.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) tls: Option<Engine>,
    /// In a box of its own, so that a connection without it does not carry it.
    pub(super) web: Option<Box<Framing>>,
}

impl Layers {
    pub(super) const fn tls(engine: Engine) -> Self {
        Self { tls: Some(engine), web: None }
    }

    /// Whether it is too early for [`Layers::seal`].
    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(Engine::is_handshaking)
    }

    /// Whether they keep no buffer.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let tls = self.tls.as_ref().is_none_or(|tls| tls.partial.capacity() == 0);
        tls && self.web.as_ref().is_none_or(|web| web.partial.capacity() == 0)
    }

    /// Takes off `arrived` (in place) what the layers put around the bytes of MQTT, which are appended to `plain`; what
    /// the layers have to say themselves to `answer`, which has to be sent even after an error. `between` is for what one
    /// layer hands to the other. `false` once the peer has said goodbye.
    pub(super) fn open(
        &mut self,
        arrived: &mut [u8],
        between: &mut BytesMut,
        plain: &mut BytesMut,
        answer: &mut BytesMut,
    ) -> Result<bool, ConnectionError> {
        match (&mut self.tls, &self.web) {
            (Some(tls), None) => Ok(tls.open(arrived, plain, answer)?),
            (Some(tls), Some(_)) => {
                between.clear();
                let opened = tls.open(arrived, between, answer);
                // What came before an end or an error counts.
                let framed = self.open_frames(between, plain, answer)?;
                Ok(opened? && framed)
            }
            (None, _) => self.open_frames(arrived, plain, answer),
        }
    }

    /// The same for what TLS has opened already.
    pub(super) fn open_frames(
        &mut self,
        arrived: &mut [u8],
        plain: &mut BytesMut,
        answer: &mut BytesMut,
    ) -> Result<bool, ConnectionError> {
        let Some(web) = &mut self.web else {
            plain.extend_from_slice(arrived);
            return Ok(true);
        };
        let mut said = BytesMut::new();
        let opened = web.open(arrived, plain, &mut said);
        match &mut self.tls {
            Some(tls) if !said.is_empty() => tls.seal(&said, answer)?,
            _ => answer.unsplit(said),
        }
        Ok(opened?)
    }

    /// Appends `plain` to `sealed`, with all that the layers put around it.
    pub(super) fn seal(
        &mut self,
        plain: &[u8],
        between: &mut BytesMut,
        sealed: &mut BytesMut,
    ) -> Result<(), ConnectionError> {
        match (&mut self.tls, &self.web) {
            (Some(tls), None) => tls.seal(plain, sealed)?,
            (Some(tls), Some(web)) => {
                between.clear();
                web.seal(plain, between)?;
                tls.seal(between, sealed)?;
            }
            (None, Some(web)) => web.seal(plain, sealed)?,
            (None, None) => sealed.extend_from_slice(plain),
        }
        Ok(())
    }

    /// Appends the last words of the layers to `sealed`, the inner one's first.
    pub(super) fn say_goodbye(&mut self, between: &mut BytesMut, sealed: &mut BytesMut) -> Result<(), ConnectionError> {
        between.clear();
        if let Some(web) = &self.web {
            web.say_goodbye(between)?;
        }
        match &mut self.tls {
            Some(tls) => {
                if !between.is_empty() {
                    tls.seal(between, sealed)?;
                }
                tls.say_goodbye(sealed)?;
            }
            None => sealed.extend_from_slice(between),
        }
        Ok(())
    }
}
