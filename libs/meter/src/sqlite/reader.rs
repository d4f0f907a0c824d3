//! The thread that reads, on a connection of its own: a long history never holds up a call.
//!
//! Reads come from the writer, after the commit of everything that was called for before them, so
//! a reader sees what they wrote.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::books;
use super::file::{Place, storage};
use super::queue::Read;
use super::sheet::Sheet;
use crate::LedgerError;

/// Starts the thread; it ends when the sender is dropped.
pub(super) fn spawn(place: Place) -> io::Result<(mpsc::Sender<Read>, JoinHandle<()>)> {
    let (reads, waiting) = mpsc::channel();
    let thread = thread::Builder::new().name("ledger-reader".to_owned()).spawn(move || {
        let mut reader = Reader { place, connection: None };
        for read in waiting {
            reader.answer(read);
        }
    })?;
    Ok((reads, thread))
}

struct Reader {
    place: Place,
    /// Opened at the first read, and again after a failure.
    connection: Option<Connection>,
}

impl Reader {
    /// An asker who is gone needs no answer, hence the ignored results.
    fn answer(&mut self, read: Read) {
        match read {
            Read::Balance { context, day, limits, reply } => {
                let balance = |books: &Connection| Sheet::default().balance(books, &context, day, &limits);
                let _ = reply.send(self.read(balance));
            }
            Read::History { query, reply } => {
                let _ = reply.send(self.read(|connection| books::read_history(connection, &query)));
            }
        }
    }

    fn read<T>(&mut self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.place.connect_to_read().map_err(storage)?,
        };
        let found = read(&connection).map_err(storage)?;
        self.connection = Some(connection);
        Ok(found)
    }
}
