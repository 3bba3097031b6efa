//! The frames of one WebSocket: takes them off what arrives, and puts them around what is sent. It holds no socket, and
//! bytes only while the head of a frame, or a short frame of WebSocket's own, is incomplete.

use std::io::Cursor;

use bytes::{BufMut, BytesMut};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::error::WebSocketError;
use crate::mqtt::packet::MAX_PACKET;

/// What a frame of WebSocket's own may hold, in bytes.
const MAX_CONTROL: u64 = 125;

/// The state of one WebSocket after the handshake.
pub(in crate::mqtt) struct Framing {
    /// Clients mask what they send, servers do not.
    is_client: bool,
    /// Whether the next frame with data must go on with a message.
    fragmented: bool,
    /// Of the frame with data that is under way: the mask, from the next byte on.
    mask: [u8; 4],
    /// Bytes of it that have not arrived.
    left: usize,
    /// What has arrived of the next frame's head, or of a whole frame of WebSocket's own.
    pub(in crate::mqtt) partial: BytesMut,
}

/// What one step led to.
enum Step {
    /// So many bytes are done with, at least one.
    Took(usize),
    /// What is there makes no whole.
    Wants,
    /// The peer has closed it.
    Closed,
}

impl Framing {
    /// The device's side.
    pub(in crate::mqtt) fn client() -> Self {
        Self::new(true)
    }

    /// The hub's side.
    pub(in crate::mqtt) fn server() -> Self {
        Self::new(false)
    }

    fn new(is_client: bool) -> Self {
        Self { is_client, fragmented: false, mask: [0; 4], left: 0, partial: BytesMut::new() }
    }

    /// Takes the frames off `arrived` (and unmasks in place). The bytes of MQTT in them are appended to `data`, for which
    /// frames and messages have no meaning; what WebSocket itself has to say is appended to `answer`, which has to be sent
    /// even after an error. `false` once the peer has closed it.
    pub(in crate::mqtt) fn open(
        &mut self,
        arrived: &mut [u8],
        data: &mut BytesMut,
        answer: &mut BytesMut,
    ) -> Result<bool, WebSocketError> {
        let mut gathered = std::mem::take(&mut self.partial);
        let bytes = if gathered.is_empty() {
            arrived
        } else {
            gathered.extend_from_slice(arrived);
            &mut gathered[..]
        };
        let mut done = 0;
        loop {
            match self.step(&mut bytes[done..], data, answer) {
                Ok(Step::Took(bytes)) => done += bytes,
                Ok(Step::Wants) => {
                    self.partial = BytesMut::from(&bytes[done..]);
                    return Ok(true);
                }
                Ok(Step::Closed) => return Ok(false),
                Err(error) => {
                    self.close(error.code(), answer)?;
                    return Err(error);
                }
            }
        }
    }

    /// Appends `plain` to `framed`, as one frame if it is no larger than a packet may be.
    pub(in crate::mqtt) fn seal(&self, plain: &[u8], framed: &mut BytesMut) -> Result<(), WebSocketError> {
        plain.chunks(MAX_PACKET).try_for_each(|chunk| self.put(OpCode::Data(Data::Binary), chunk, framed))
    }

    /// Appends the last word of a connection to `framed`.
    pub(in crate::mqtt) fn say_goodbye(&self, framed: &mut BytesMut) -> Result<(), WebSocketError> {
        self.close(CloseCode::Normal, framed)
    }

    fn close(&self, code: CloseCode, framed: &mut BytesMut) -> Result<(), WebSocketError> {
        self.put(OpCode::Control(Control::Close), &u16::from(code).to_be_bytes(), framed)
    }

    fn put(&self, opcode: OpCode, payload: &[u8], framed: &mut BytesMut) -> Result<(), WebSocketError> {
        let mut mask = None;
        if self.is_client {
            let mut key = [0; 4];
            getrandom::fill(&mut key).map_err(WebSocketError::Random)?;
            mask = Some(key);
        }
        let header = FrameHeader { opcode, mask, ..FrameHeader::default() };
        // Memory takes all that is written to it.
        let _ = header.format(payload.len() as u64, &mut framed.writer());
        let start = framed.len();
        framed.extend_from_slice(payload);
        apply(mask.unwrap_or_default(), &mut framed[start..]);
        Ok(())
    }

    /// One step with `bytes`.
    fn step(&mut self, bytes: &mut [u8], data: &mut BytesMut, answer: &mut BytesMut) -> Result<Step, WebSocketError> {
        if self.left > 0 && !bytes.is_empty() {
            let part = self.left.min(bytes.len());
            apply(self.mask, &mut bytes[..part]);
            data.extend_from_slice(&bytes[..part]);
            self.left -= part;
            self.mask.rotate_left(part % 4);
            return Ok(Step::Took(part));
        }
        let mut cursor = Cursor::new(&*bytes);
        let Some((header, length)) =
            FrameHeader::parse(&mut cursor).map_err(|_| WebSocketError::Protocol("a frame of an unknown kind came"))?
        else {
            return Ok(Step::Wants);
        };
        let start = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
        self.check(&header, length)?;
        let mask = header.mask.unwrap_or_default();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match header.opcode {
            OpCode::Data(_) => {
                (self.fragmented, self.mask, self.left) = (!header.is_final, mask, length);
                Ok(Step::Took(start))
            }
            OpCode::Control(control) => {
                let Some(payload) = bytes.get_mut(start..start + length) else { return Ok(Step::Wants) };
                apply(mask, payload);
                match control {
                    Control::Ping => self.put(OpCode::Control(Control::Pong), payload, answer)?,
                    Control::Close => {
                        self.close(reason(payload)?, answer)?;
                        return Ok(Step::Closed);
                    }
                    Control::Pong | Control::Reserved(_) => {}
                }
                Ok(Step::Took(start + length))
            }
        }
    }

    /// What RFC 6455 and MQTT ask of the frame that begins.
    fn check(&self, header: &FrameHeader, length: u64) -> Result<(), WebSocketError> {
        let broken = |why| Err(WebSocketError::Protocol(why));
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return broken("a frame with an extension came, and none was agreed on");
        }
        if header.mask.is_some() == self.is_client {
            return broken(if self.is_client { "a masked frame came" } else { "a frame without a mask came" });
        }
        match header.opcode {
            OpCode::Control(_) if !header.is_final => broken("a control frame came in parts"),
            OpCode::Control(_) if length > MAX_CONTROL => broken("a control frame of more than 125 bytes came"),
            OpCode::Data(Data::Text) => Err(WebSocketError::Text),
            OpCode::Data(Data::Continue) if !self.fragmented => broken("a message was continued that never began"),
            OpCode::Data(Data::Binary) if self.fragmented => broken("a message began amid another"),
            OpCode::Data(_) if length > MAX_PACKET as u64 => Err(WebSocketError::TooLarge(length)),
            _ => Ok(()),
        }
    }
}

/// The code that answers the peer's last words, which is the peer's own.
fn reason(payload: &[u8]) -> Result<CloseCode, WebSocketError> {
    let Some((code, text)) = payload.split_first_chunk() else {
        return match payload {
            [] => Ok(CloseCode::Normal),
            _ => Err(WebSocketError::Protocol("half a close code came")),
        };
    };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !code.is_allowed() {
        return Err(WebSocketError::Protocol("a close code came that may not be sent"));
    }
    if std::str::from_utf8(text).is_err() {
        return Err(WebSocketError::Reason);
    }
    Ok(code)
}

/// Masks `bytes`, or unmasks them: it is the same.
fn apply(mask: [u8; 4], bytes: &mut [u8]) {
    if mask == [0; 4] {
        return;
    }
    let (words, rest) = bytes.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    rest.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}
