//! A file of lines that says what a store in memory holds, across restarts.
//!
//! It gets what is new every second or so, and is written anew where it has grown much larger than what it is for. A line that was
//! not written whole, when the process was killed, is passed over.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A file is written anew when it is so much larger than what it is for, in bytes.
const SLACK: u64 = 16 << 20;

/// The file, and what it has yet to get.
#[derive(Debug)]
pub(super) struct Log<L> {
    path: PathBuf,
    file: File,
    bytes: u64,
    new: Vec<L>,
    /// Something is to be in the file no more.
    forgets: bool,
}

impl<L: Serialize + DeserializeOwned> Log<L> {
    /// Reads what a file has; nothing if there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read(path: &Path, mut line: impl FnMut(L)) -> io::Result<()> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for text in BufReader::new(file).split(b'\n') {
            if let Ok(parsed) = serde_json::from_slice(&text?) {
                line(parsed);
            }
        }
        Ok(())
    }

    /// Writes these lines into a new file, in place of the old one.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn rewrite(path: &Path, lines: impl Iterator<Item = L>) -> io::Result<Self> {
        let beside = path.with_extension("new");
        let mut writer = BufWriter::new(private(&beside)?);
        for line in lines {
            write(&mut writer, &line)?;
        }
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()?;
        fs::rename(&beside, path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes, new: Vec::new(), forgets: false })
    }

    /// Has the file written anew soon, without what is held no more.
    pub(super) fn forget(&mut self) {
        self.forgets = true;
    }

    /// Takes note of a line, to be written soon.
    pub(super) fn note(&mut self, line: L) {
        self.new.push(line);
    }

    /// Writes what was noted. `wanted`: about what all that is held takes, in bytes; `all`: lines that say it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn flush(log: &Mutex<Self>, wanted: u64, all: impl FnOnce() -> Vec<L>) -> io::Result<()> {
        let (new, path) = {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.new.is_empty() {
                return Ok(());
            }
            (std::mem::take(&mut log.new), log.path.clone())
        };
        let mut text = Vec::new();
        for line in &new {
            write(&mut text, line)?;
        }
        let too_long = {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.file.write_all(&text)?;
            log.bytes += text.len() as u64;
            std::mem::take(&mut log.forgets) || log.bytes > 2 * wanted + SLACK
        };
        if too_long {
            let mut rewritten = Self::rewrite(&path, all().into_iter())?;
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            // What came meanwhile may be in the file already; it does no harm there twice.
            rewritten.new = std::mem::take(&mut log.new);
            *log = rewritten;
        }
        Ok(())
    }
}

/// A new file that nobody else may read: it holds what clients said.
fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // An older one would keep its mode.
    let _ = fs::remove_file(path);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn write(writer: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    writer.write_all(&text)
}
