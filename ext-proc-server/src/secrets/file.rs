//! A key in a file.

use super::board::Board;
use super::text::{self, NoKey};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use weirgate_contract::filter_config::SecretText;

/// How often in a row a key must be found missing before it is taken back. Who writes a file without renaming leaves it empty for a moment.
const LOOKS: u32 = 2;

/// A file that is looked at.
#[derive(Debug)]
pub(super) struct Watched {
    provider: String,
    path: PathBuf,
    key: Option<SecretText>,
    /// How often in a row there was no key in it.
    missed: u32,
}

impl Watched {
    pub(super) fn new(provider: String, path: PathBuf) -> Self {
        // There is no key yet that could be kept.
        Self { provider, path, key: None, missed: LOOKS - 1 }
    }

    /// Reads the file, and tells of what is in it now. It is read whole each time: that costs no more than to ask for its size and time,
    /// and no change goes unseen.
    pub(super) fn look(&mut self, board: &Board) {
        let (provider, file) = (self.provider.as_str(), self.path.display());
        match read(&self.path) {
            Ok(key) => {
                if self.missed >= LOOKS {
                    tracing::warn!(provider, %file, "the provider's key is there again");
                } else if self.key.as_ref().is_some_and(|old| *old != key) {
                    tracing::info!(provider, %file, "the provider's key has changed");
                }
                self.missed = 0;
                self.key = Some(key);
            }
            Err(problem) => {
                self.missed = self.missed.saturating_add(1);
                if self.missed == LOOKS {
                    tracing::error!(provider, %file, %problem, "the provider has no key, so requests to it are refused");
                    self.key = None;
                }
            }
        }
        board.put(provider, self.key.clone());
    }
}

/// Why there is no key. It says nothing of what the file holds.
#[derive(Debug)]
enum Problem {
    Unreadable(io::Error),
    NoFile,
    NoKey(NoKey),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => {
                f.write_str("there is no such file")
            }
            Self::Unreadable(error) => write!(f, "it cannot be read: {error}"),
            Self::NoFile => f.write_str("it is no file"),
            Self::NoKey(why) => why.fmt(f),
        }
    }
}

fn read(path: &Path) -> Result<SecretText, Problem> {
    // Opening a pipe would wait for who writes to it.
    if !std::fs::metadata(path).map_err(Problem::Unreadable)?.is_file() {
        return Err(Problem::NoFile);
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Problem::Unreadable)?;
    // With some white space around it.
    file.take(2 * text::MOST as u64).read_to_end(&mut bytes).map_err(Problem::Unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::NoKey(NoKey::NoHeader))?;
    text::key(text).map_err(Problem::NoKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_told_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let said = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            read(&path).map(|key| key.as_bytes().to_vec()).map_err(|problem| problem.to_string())
        };
        assert_eq!(said(b"\n ya29.token \r\n"), Ok(b"ya29.token".to_vec()));
        assert_eq!(said(b" \n").unwrap_err(), "it is empty");
        for bad in [&b"one\ntwo"[..], &[255; 9], b"a\0b"] {
            assert_eq!(said(bad).unwrap_err(), "it holds more than one line, or what no header can hold");
        }
        assert_eq!(said(&[b'a'; 1 << 16]).unwrap_err(), "it is longer than 49152 bytes");
        assert_eq!(read(folder.path()).unwrap_err().to_string(), "it is no file");
        assert_eq!(read(&folder.path().join("x")).unwrap_err().to_string(), "there is no such file");
    }

    fn has(board: &Board) -> Option<String> {
        board.key("p").unwrap()
    }

    #[test]
    fn a_key_follows_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "  first\n").unwrap();
        let (mut file, board) = (Watched::new("p".to_owned(), path.clone()), Board::default());
        file.look(&board);
        let mut reader = board.read();
        assert_eq!(has(&board).as_deref(), Some("first"));
        file.look(&board);
        assert!(!reader.has_changed().unwrap(), "nothing has changed");
        std::fs::write(folder.path().join("new"), "second").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        file.look(&board);
        assert!(reader.has_changed().unwrap());
        reader.mark_unchanged();
        assert_eq!(has(&board).as_deref(), Some("second"));
    }

    #[test]
    fn a_key_is_taken_back_only_when_it_stays_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let (mut file, board) = (Watched::new("p".to_owned(), path.clone()), Board::default());
        file.look(&board);
        assert_eq!(has(&board), None);
        std::fs::write(&path, "a-secret").unwrap();
        file.look(&board);
        assert_eq!(has(&board).as_deref(), Some("a-secret"));
        assert!(!format!("{file:?} {board:?}").contains("a-secret"));
        std::fs::write(&path, "").unwrap();
        file.look(&board);
        assert_eq!(has(&board).as_deref(), Some("a-secret"), "it may be being written");
        file.look(&board);
        assert_eq!(has(&board), None);
    }
}
