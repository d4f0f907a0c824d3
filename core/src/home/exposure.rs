//! Whether other users of this machine can look into a home.
//!
//! Our own folders are made for their owner alone. A home that was copied, unpacked or made by hand may be open,
//! and the names of confidential things in its rooms with it. It is told and not fixed: the owner may want it
//! so, and a mode that changes by itself surprises.

use super::Home;
use crate::problem::Problem;

impl Home {
    /// Problem of a home that other users can enter; `None` where they cannot, or where the system has
    /// no such rights. A home is as closed as any folder above it.
    #[cfg(unix)]
    pub fn exposed(&self) -> Option<Problem> {
        use std::os::unix::fs::PermissionsExt;
        let mode = |folder: &std::path::Path| {
            std::fs::metadata(folder).ok().map(|metadata| metadata.permissions().mode() & 0o777)
        };
        let own = mode(self.root())?;
        let is_reachable = |mode: u32| mode & ENTER != 0;
        let above = self.root().ancestors().skip(1);
        if !is_reachable(own) || !above.filter_map(mode).all(is_reachable) {
            return None;
        }
        let root = self.root().display();
        Some(Problem::warning(
            ".",
            format!(
                "other users of this machine can enter this home and read what its files allow (mode {own:03o})"
            ),
            format!("close it: chmod 700 {root}"),
        ))
    }

    /// Problem of a home that other users can enter: this system has no such rights.
    #[cfg(not(unix))]
    pub fn exposed(&self) -> Option<Problem> {
        None
    }
}

/// The right to enter a folder, of its group and of all others.
#[cfg(unix)]
const ENTER: u32 = 0o011;

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::{Permissions, create_dir, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_home_is_open_where_it_and_everything_above_it_can_be_entered() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("home");
        create_dir(&root).unwrap();
        let home = Home::resolve(Some(&root)).unwrap();
        let exposed = |above: u32, own: u32| {
            set_permissions(folder.path(), Permissions::from_mode(above)).unwrap();
            set_permissions(&root, Permissions::from_mode(own)).unwrap();
            home.exposed().map(|problem| problem.fix)
        };
        for (above, own) in [(0o700, 0o755), (0o755, 0o700), (0o755, 0o600), (0o755, 0o744)] {
            assert_eq!(exposed(above, own), None, "{above:o} {own:o}");
        }
        for (above, own) in [(0o755, 0o755), (0o711, 0o711), (0o755, 0o710)] {
            assert_eq!(exposed(above, own).unwrap(), format!("close it: chmod 700 {}", root.display()));
        }
        set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    }
}
