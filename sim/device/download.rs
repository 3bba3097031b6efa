//! The download of one image: what is asked for, what an answer means, when to ask again, and what became of it. Pure; the
//! bytes come from [`fetch`].

mod fetch;
mod head;
mod pace;
mod url;

use std::time::Duration;

use sha2::{Digest, Sha256};

pub(super) use fetch::{Download, Downloads};
use head::Head;
pub use url::{ImageSource, ImageUrl};

use crate::policy::{Failed, Failure, FaultStage, RetryPolicy, Retrying};
use crate::random::Stream;

/// The largest image, in bytes: no device has room for more.
const MAX_SIZE: u64 = 4 << 30;
/// A server's word when to come back counts up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// What became of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Whether the image is there, and verified where its hash was known.
    pub result: Result<(), ImageFailure>,
    /// How long it took.
    pub took: Duration,
    /// Bytes of the image that came, those that came twice included.
    pub bytes: u64,
    /// How often it went on where it had broken off.
    pub resumes: u32,
    /// What went wrong last, in words without secrets and the same for all devices.
    pub trouble: Option<String>,
    /// What this machine ran out of, and the way out.
    pub starved: Option<&'static str>,
}

/// Why there is no image: where and the code that the device reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageFailure {
    /// Where in the workflow.
    pub stage: FaultStage,
    /// One of [`crate::policy::Fail::CODES`].
    pub code: &'static str,
}

impl ImageFailure {
    /// The call's address leads to no image.
    pub(super) const INVALID_URI: Self = Self { stage: FaultStage::Downloading, code: "invalid_uri" };
    /// It did not come, however often it was asked for.
    const CONNECTION_LOST: Self = Self { stage: FaultStage::Downloading, code: "connection_lost" };
    /// It is larger than any device.
    const NO_SPACE: Self = Self { stage: FaultStage::Downloading, code: "no_space" };
    /// It is another one than was announced.
    const CHECKSUM_MISMATCH: Self = Self { stage: FaultStage::Verifying, code: "checksum_mismatch" };
}

/// What is next once an attempt is over.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// Asking again after this wait.
    Again(Duration),
    /// Nothing more.
    Over(Result<(), ImageFailure>),
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Ask<'a> {
    /// The bytes from here on; 0 for the whole.
    from: u64,
    /// Only if it is still this one, else the whole.
    only_if: Option<&'a str>,
}

/// A download under way. It knows how much of the image there is and what that hashes to, and keeps none of it.
struct Transfer {
    retry: RetryPolicy,
    /// The SHA-256 that was announced: of a text that is none there is no image.
    announced: Option<Option<[u8; 32]>>,
    hash: Sha256,
    /// Bytes of the image that are there.
    offset: u64,
    /// Bytes of the whole image, where the server said so.
    length: Option<u64>,
    /// What the server calls this version of it.
    tag: Option<String>,
    attempts: u32,
    retrying: Retrying,
    bytes: u64,
    resumes: u32,
}

impl Transfer {
    /// Of an image with this SHA-256, if one was announced.
    fn new(retry: RetryPolicy, announced: Option<&str>) -> Self {
        Self {
            retry,
            announced: announced.map(digest),
            hash: Sha256::new(),
            offset: 0,
            length: None,
            tag: None,
            attempts: 0,
            retrying: Retrying::default(),
            bytes: 0,
            resumes: 0,
        }
    }

    /// The next attempt.
    fn ask(&mut self) -> Ask<'_> {
        self.attempts += 1;
        Ask { from: self.offset, only_if: self.tag.as_deref().filter(|_| self.offset > 0) }
    }

    /// The server answered; `None`: what follows is to be read.
    fn answered(&mut self, head: &Head, random: Stream) -> Option<Turn> {
        match head.status {
            200 => {
                // It may have been asked for a part: a server that knows no parts, or another image by now.
                self.start_anew();
                (self.length, self.tag) = (head.length, head.tag.clone());
            }
            206 if self.offset > 0 && self.goes_on(head) => {
                self.resumes += 1;
                self.length = self.length.or(head.part.and_then(|part| part.whole));
            }
            206 | 416 => {
                self.start_anew();
                return Some(self.again(None, random));
            }
            408 | 425 | 429 | 500.. => {
                return Some(self.again(head.retry_after.map(|after| after.min(RETRY_AFTER_MAX)), random));
            }
            // Redirects among them: load goes only where the user said.
            _ => return Some(Turn::Over(Err(ImageFailure::INVALID_URI))),
        }
        let too_long = self.length.is_some_and(|length| length > MAX_SIZE);
        too_long.then_some(Turn::Over(Err(ImageFailure::NO_SPACE)))
    }

    /// The next bytes of the image.
    fn take(&mut self, bytes: &[u8]) -> Option<Turn> {
        self.hash.update(bytes);
        self.offset += bytes.len() as u64;
        self.bytes += bytes.len() as u64;
        (self.offset > MAX_SIZE).then_some(Turn::Over(Err(ImageFailure::NO_SPACE)))
    }

    /// The body is over, as the server meant it.
    fn ended(&mut self, random: Stream) -> Turn {
        if self.length.is_none_or(|length| length == self.offset) {
            return Turn::Over(self.verify());
        }
        self.again(None, random)
    }

    /// The attempt broke off.
    fn broke(&mut self, random: Stream) -> Turn {
        if self.length == Some(self.offset) {
            return Turn::Over(self.verify());
        }
        self.again(None, random)
    }

    /// How much is there, in percent, where that is known.
    fn percent(&self) -> Option<u8> {
        let length = self.length.filter(|length| *length > 0)?;
        u8::try_from(self.offset.min(length) * 100 / length).ok()
    }

    /// Whether a part is the one that is missing.
    fn goes_on(&self, head: &Head) -> bool {
        let agree = |known: &Option<String>, told: &Option<String>| known.is_none() || told.is_none() || known == told;
        head.part.is_some_and(|part| {
            part.from == self.offset && (part.whole.is_none() || self.length.is_none() || part.whole == self.length)
        }) && agree(&self.tag, &head.tag)
    }

    fn start_anew(&mut self) {
        self.hash = Sha256::new();
        (self.offset, self.length, self.tag) = (0, None, None);
    }

    fn again(&mut self, retry_after: Option<Duration>, mut random: Stream) -> Turn {
        let failed = Failed { retry_after, ..Failed::new(Failure::Transient, Duration::ZERO) };
        let wait = self.retrying.next(&self.retry, failed, &mut random);
        wait.map_or(Turn::Over(Err(ImageFailure::CONNECTION_LOST)), Turn::Again)
    }

    fn verify(&mut self) -> Result<(), ImageFailure> {
        let hash: [u8; 32] = self.hash.finalize_reset().into();
        match &self.announced {
            Some(announced) if *announced != Some(hash) => Err(ImageFailure::CHECKSUM_MISMATCH),
            _ => Ok(()),
        }
    }
}

/// A SHA-256 in hexadecimal.
fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let text = text.trim();
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests;
