//! A home to begin with: a canon, two rooms, an example of a fleet. Every file explains itself.
//!
//! Files that exist are the owner's and are never touched, nor is the choice of the active
//! room. Where the owner has a manifest, no layers are added to it; where there are rooms, no more are made.

use std::fs;
use std::io;

use crate::brain::{ActiveError, Brain};
use crate::canon::MANIFEST;
use crate::context::ContextName;
use crate::files;

/// The room that is active in a new home.
const FIRST_ROOM: &str = "open";

const LAYERS: &[(&str, &str)] = &[
    ("brain/hierarchy.md", include_str!("starter/hierarchy.md")),
    ("brain/safety-floor.md", include_str!("starter/safety-floor.md")),
    ("brain/values.md", include_str!("starter/values.md")),
    // Last: with it the canon is complete.
    (MANIFEST, include_str!("starter/manifest.json")),
];

const ROOMS: &[(&str, &str)] = &[
    ("contexts/open.md", include_str!("starter/open.md")),
    ("contexts/careful.md", include_str!("starter/careful.md")),
    ("contexts/careful.yml", include_str!("starter/careful.yml")),
    ("contexts/open.yml", include_str!("starter/open.yml")),
];

const FLEET: &[(&str, &str)] = &[("routing/fleet.example.yml", include_str!("starter/fleet.example.yml"))];

/// Steps that were taken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Started {
    /// Files that were made, relative to the home.
    pub created: Vec<&'static str>,
    /// Files of these names that were there already and stay as they are.
    pub kept: Vec<&'static str>,
    /// Files that were left out, because the owner has a canon or rooms already.
    pub left_out: Vec<&'static str>,
    /// The room that was made the active one, where none was.
    pub active: Option<ContextName>,
}

/// Why a home could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file could not be written.
    #[error("{file} cannot be written")]
    Write {
        /// Relative to the home.
        file: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The room could not be made the active one.
    #[error("the room \"{FIRST_ROOM}\" could not be made the active one")]
    Active(#[from] ActiveError),
}

/// Makes what is missing of a starter home. A second time it makes nothing.
///
/// # Errors
/// If the disk refuses; what was made until then stays, and the next time goes on from there.
pub fn start(brain: &Brain) -> Result<Started, StartError> {
    let mut started = Started::default();
    let has_manifest = fs::symlink_metadata(brain.home().root().join(MANIFEST)).is_ok();
    let has_rooms = has_rooms_of_the_owner(brain);
    for (files, is_wanted) in [(LAYERS, !has_manifest), (ROOMS, !has_rooms), (FLEET, true)] {
        for &(file, text) in files {
            put(brain, file, text, is_wanted, &mut started)?;
        }
    }
    brain.reload();
    if brain.snapshot().effective_active().is_err() && brain.snapshot().active.is_none() {
        let name: ContextName = FIRST_ROOM.parse().expect("the name is valid");
        if brain.snapshot().context(&name).is_some() {
            brain.set_active(Some(&name))?;
            started.active = Some(name);
        }
    }
    Ok(started)
}

/// Whether there is a room that is not one of ours.
fn has_rooms_of_the_owner(brain: &Brain) -> bool {
    let Ok(entries) = fs::read_dir(brain.home().contexts()) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.ends_with(".yml")
            && !ROOMS.iter().any(|(file, _)| file.strip_prefix("contexts/") == Some(&*name))
    })
}

fn put(
    brain: &Brain,
    file: &'static str,
    text: &str,
    is_wanted: bool,
    started: &mut Started,
) -> Result<(), StartError> {
    let path = brain.home().root().join(file);
    let is_absent = |path: &std::path::Path| fs::symlink_metadata(path).is_err();
    if !is_absent(&path) {
        started.kept.push(file);
        return Ok(());
    }
    if !is_wanted {
        started.left_out.push(file);
        return Ok(());
    }
    let written = files::replace(&path, text.as_bytes(), is_absent);
    match written.map_err(|source| StartError::Write { file, source })? {
        true => started.created.push(file),
        // It came to be meanwhile.
        false => started.kept.push(file),
    }
    Ok(())
}
