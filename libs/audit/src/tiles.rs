//! Files of the tree: `tile/<level>/<index>`, as C2SP's `tlog-tiles` names them.
//!
//! A full tile is 8 KiB and never changes. A partial one has its width in its name (`….p/17`) and goes
//! once a checkpoint stands beyond it. There are no entry bundles: the lines of the segments are the
//! entries.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::segment;
use crate::tree::{Edge, Hash, LEVELS, TILE_WIDTH, Tile, partial_width, root_of};

/// The place of a tile below the folder of the log; `width` 256 is the full one.
pub(crate) fn place(level: u8, index: u64, width: usize) -> PathBuf {
    let mut path = PathBuf::from("tile");
    path.push(level.to_string());
    let mut groups = vec![format!("{:03}", index % 1000)];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    let last = groups.len() - 1;
    for (position, group) in groups.iter().rev().enumerate() {
        match width {
            TILE_WIDTH => path.push(group),
            width if position == last => path.extend([format!("{group}.p"), width.to_string()]),
            _ => path.push(group),
        }
    }
    path
}

/// Writes a tile, its folder included, and brings it to the disk.
pub(crate) fn write(dir: &Path, tile: &Tile) -> io::Result<()> {
    let path = dir.join(place(tile.level, tile.index, tile.hashes.len()));
    if let Some(folder) = path.parent() {
        segment::create_folder(folder)?;
    }
    replace(&path, tile.hashes.as_flattened())
}

/// Removes the partial tiles at the place of a tile, except one of this width.
pub(crate) fn remove_partial(dir: &Path, level: u8, index: u64, except: usize) {
    // Leftovers are harmless, so that a failure is none of the log.
    let path = dir.join(place(level, index, 1));
    let Some(folder) = path.parent() else { return };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str() != Some(&except.to_string()) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}

/// Replaces a file: neighbour, sync, rename, sync of the folder.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let neighbour = path.with_file_name(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    segment::private(&mut options);
    let mut file = options.open(&neighbour)?;
    let outcome = file
        .write_all(bytes)
        .and_then(|()| file.sync_data())
        .and_then(|()| fs::rename(&neighbour, path))
        .and_then(|()| path.parent().map_or(Ok(()), segment::sync_folder));
    if outcome.is_err() {
        let _ = fs::remove_file(&neighbour);
    }
    outcome
}

/// The hashes of a tile; `None` where it is missing or has another length.
pub(crate) fn read(dir: &Path, level: u8, index: u64, width: usize) -> io::Result<Option<Vec<Hash>>> {
    let path = dir.join(place(level, index, width));
    let bytes = match fs::metadata(&path) {
        Ok(metadata) if metadata.len() == width as u64 * 32 => fs::read(&path)?,
        Ok(_) => return Ok(None),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (hashes, rest) = bytes.as_chunks::<32>();
    Ok((rest.is_empty() && hashes.len() == width).then(|| hashes.to_vec()))
}

/// Hashes of a tile, as [`read`] gives them. A tile that is gone because the log has grown is read from the wider one
/// after it, which begins with the same hashes.
pub(crate) fn read_grown(dir: &Path, level: u8, index: u64, width: usize) -> io::Result<Option<Vec<Hash>>> {
    if let Some(hashes) = read(dir, level, index, width)? {
        return Ok(Some(hashes));
    }
    let mut widths = vec![TILE_WIDTH];
    if let Some(folder) = dir.join(place(level, index, 1)).parent() {
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        widths.extend(names.filter_map(|entry| entry.file_name().to_str()?.parse::<usize>().ok()));
    }
    for wider in widths.into_iter().filter(|wider| *wider > width && *wider <= TILE_WIDTH) {
        if let Some(mut hashes) = read(dir, level, index, wider)? {
            hashes.truncate(width);
            return Ok(Some(hashes));
        }
    }
    Ok(None)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The edge of the tree at this size, from its partial tiles; `None` when one is missing.
pub(crate) fn edge(dir: &Path, size: u64) -> io::Result<Option<Edge>> {
    let mut levels = Vec::new();
    for level in 0..LEVELS as u8 {
        let width = partial_width(size, level);
        let hashes = match width {
            0 => Some(Vec::new()),
            width => read(dir, level, size >> (8 * (u32::from(level) + 1)), width)?,
        };
        match hashes {
            Some(hashes) => levels.push(hashes),
            None => return Ok(None),
        }
    }
    Ok(Edge::from_tiles(size, levels))
}

/// The leaf hashes of the tile with this index in a tree of this size, or in the one before it of which
/// all tiles are written.
pub(crate) fn leaves(dir: &Path, index: u64, size: u64, settled: u64) -> io::Result<Option<Vec<Hash>>> {
    for size in [size, settled] {
        let width = size.saturating_sub(index * TILE_WIDTH as u64).min(TILE_WIDTH as u64) as usize;
        if width > 0
            && let Some(hashes) = read(dir, 0, index, width)?
        {
            return Ok(Some(hashes));
        }
    }
    Ok(None)
}

/// The root of `count` leaves from `begin` on, a power of two that `begin` is a multiple of, in a tree
/// of this size.
pub(crate) fn subtree(dir: &Path, begin: u64, count: u64, size: u64) -> io::Result<Hash> {
    let level = (count.trailing_zeros() / 8) as u8;
    let unit = 8 * u32::from(level);
    let (first, hashes) = (begin >> unit, count >> unit);
    let (index, offset) = (first / TILE_WIDTH as u64, (first % TILE_WIDTH as u64) as usize);
    let width = ((size >> unit) - index * TILE_WIDTH as u64).min(TILE_WIDTH as u64) as usize;
    let tile = read_grown(dir, level, index, width)?.ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("{} is missing", shown(level, index, width)))
    })?;
    Ok(root_of(&tile[offset..offset + hashes as usize]))
}

/// The place of a tile as it is shown.
pub(crate) fn shown(level: u8, index: u64, width: usize) -> String {
    place(level, index, width).to_string_lossy().replace('\\', "/")
}

/// Number of leaves that the level-0 tiles on the disk cover: the end of the last one.
///
/// A tile beyond the newest checkpoint tells that a newer one was there.
pub(crate) fn extent(dir: &Path) -> io::Result<u64> {
    let mut folder = dir.join("tile/0");
    let mut index = 0_u64;
    loop {
        let mut last: Option<(u64, bool, bool, PathBuf)> = None;
        let entries = match fs::read_dir(&folder) {
            Err(error) if is_absent(&error) => return Ok(index * 1000 * TILE_WIDTH as u64),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let (digits, is_folder, is_partial) = match (name.strip_prefix('x'), name.strip_suffix(".p")) {
                (Some(digits), _) => (digits, true, false),
                (None, Some(digits)) => (digits, false, true),
                (None, None) => (name, false, false),
            };
            if digits.len() != 3 {
                continue;
            }
            let Ok(number) = digits.parse::<u64>() else { continue };
            // A folder of further tiles `x001` comes behind every tile; of one index the full tile counts.
            let key = (is_folder, number, !is_partial);
            let newer =
                last.as_ref().is_none_or(|(number, folder, partial, _)| key > (*folder, *number, !*partial));
            if newer {
                last = Some((number, is_folder, is_partial, entry.path()));
            }
        }
        match last {
            None => return Ok(index * 1000 * TILE_WIDTH as u64),
            Some((number, true, _, path)) => {
                index = index * 1000 + number;
                folder = path;
            }
            Some((number, false, false, _)) => return Ok((index * 1000 + number + 1) * TILE_WIDTH as u64),
            Some((number, false, true, path)) => {
                let widths = fs::read_dir(path).into_iter().flatten().flatten();
                let width = widths.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok()).max();
                return Ok((index * 1000 + number) * TILE_WIDTH as u64 + width.unwrap_or(0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_stand_where_the_specification_puts_them() {
        for (level, index, width, path) in [
            (0, 0, 256, "tile/0/000"),
            (0, 999, 256, "tile/0/999"),
            (1, 1_234_067, 256, "tile/1/x001/x234/067"),
            (0, 0, 17, "tile/0/000.p/17"),
            (2, 70_000, 1, "tile/2/x070/000.p/1"),
        ] {
            assert_eq!(shown(level, index, width), path);
        }
    }

    #[test]
    fn the_extent_is_the_end_of_the_last_tile() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path();
        assert_eq!(extent(dir).unwrap(), 0);
        let tile = |index, width| Tile { level: 0, index, hashes: vec![[1; 32]; width] };
        for (index, width, expected) in [
            (0, 3, 3),
            (0, 200, 200),
            (0, 256, 256),
            (1, 5, 261),
            (999, 256, 256_000),
            (1000, 1, 256_001),
            (1001, 256, 1002 * 256),
            (1_000_000, 9, 256_000_009),
        ] {
            write(dir, &tile(index, width)).unwrap();
            assert_eq!(extent(dir).unwrap(), expected, "tile {index} of {width}");
        }
        remove_partial(dir, 0, 1_000_000, 0);
        // An empty folder is left of it, and no tile beyond the one before.
        assert!(extent(dir).unwrap() <= 256_000_000);
    }
}
