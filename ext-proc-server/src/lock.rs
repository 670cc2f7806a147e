//! Files that one process at a time may use.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// The file by which a folder is taken.
const NAME: &str = "lock";

/// A process that ends, or one that it has just started, may have it for a moment longer.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Takes a file for as long as it is open. `path` is for the error.
///
/// # Errors
/// Another process has it, or the file system has no locks.
pub(crate) fn file(file: &File, path: &Path) -> io::Result<()> {
    let mut taken = file.try_lock();
    for _ in 0..TRIES {
        if !matches!(taken, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(PAUSE);
        taken = file.try_lock();
    }
    taken.map_err(|error| match error {
        TryLockError::WouldBlock => {
            let message = format!("another process uses {}: each service needs its own", path.display());
            io::Error::new(io::ErrorKind::WouldBlock, message)
        }
        TryLockError::Error(error) => error,
    })
}

/// Takes a folder for as long as what is returned is open, making it if need be.
///
/// # Errors
/// Another process has it, or it cannot be written.
pub(crate) fn folder(path: &Path) -> io::Result<File> {
    std::fs::create_dir_all(path)?;
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(NAME))?;
    file(&lock, path)?;
    Ok(lock)
}
