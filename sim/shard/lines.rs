//! Messages between processes: one line of JSON each.

use std::io::{self, BufRead, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes `message` as a line.
///
/// # Errors
/// The other end is gone.
pub fn write_line(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message).map_err(io::Error::other)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// Reads the next message; `None` at the end. `line` is a buffer that is used again.
///
/// # Errors
/// What came is no message. Its text may hold secrets and is not quoted.
pub fn read_line<T: DeserializeOwned>(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<T>> {
    line.clear();
    // A line without its end is what a process that died left behind.
    if from.read_until(b'\n', line)? == 0 || line.last() != Some(&b'\n') {
        return Ok(None);
    }
    serde_json::from_slice(line).map(Some).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("a line is no message (column {})", error.column()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let mut pipe = Vec::new();
        write_line(&mut pipe, &1).unwrap();
        write_line(&mut pipe, &"two\nlines").unwrap();
        pipe.extend_from_slice(b"\"cut");
        let (mut from, mut line) = (&pipe[..], Vec::new());
        assert_eq!(read_line::<u32>(&mut from, &mut line).unwrap(), Some(1));
        assert_eq!(read_line::<String>(&mut from, &mut line).unwrap().as_deref(), Some("two\nlines"));
        assert_eq!(read_line::<String>(&mut from, &mut line).unwrap(), None);
    }

    #[test]
    fn nonsense_is_refused_and_not_quoted() {
        let error = read_line::<u32>(&mut &b"SharedAccessKey=abc\n"[..], &mut Vec::new()).unwrap_err();
        assert!(!error.to_string().contains("abc"), "{error}");
    }
}
