//! What every command works with: the home that was asked for, its admin API, and the rooms that were named.

use crate::admin::Admin;
use crate::arguments::Everywhere;
use crate::failure::Result;
use crate::{files, opening};
use std::cell::OnceCell;
use std::path::PathBuf;
use zos_core::{ContextName, Home};

/// One run of `zos`. The home is found when a command first needs it: some need none.
pub(crate) struct Session {
    asked: Option<PathBuf>,
    rooms: Vec<ContextName>,
    opened: OnceCell<(Home, Admin)>,
}

impl Session {
    /// A session with what the command line says.
    pub(crate) fn new(everywhere: &Everywhere, rooms: Vec<ContextName>) -> Self {
        Session { asked: everywhere.home.clone(), rooms, opened: OnceCell::new() }
    }

    /// The home that was asked for. It need not exist.
    ///
    /// # Errors
    /// When no folder can be told, or it is none.
    pub(crate) fn home(&self) -> Result<&Home> {
        Ok(&self.opened()?.0)
    }

    /// The admin API of the home.
    ///
    /// # Errors
    /// As [`Session::home`].
    pub(crate) fn admin(&self) -> Result<&Admin> {
        Ok(&self.opened()?.1)
    }

    /// Rooms that the command line names, whatever for.
    pub(crate) fn rooms(&self) -> &[ContextName] {
        &self.rooms
    }

    /// Refuses a room that neither files nor the log know: an empty answer would read as one about a room that there
    /// is.
    ///
    /// # Errors
    /// When there is no such room, or the home cannot be read.
    pub(crate) fn check_rooms(&self) -> Result<()> {
        self.rooms.iter().try_for_each(|room| files::check_known(self.home()?, room))
    }

    fn opened(&self) -> Result<&(Home, Admin)> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let home = opening::home(self.asked.as_deref())?;
        let admin = Admin::new(&home);
        Ok(self.opened.get_or_init(|| (home, admin)))
    }
}
