//! Puts the built screens (`ui/dist`) into the gateway. Without them a page says that they are missing,
//! so that the gateway builds on a machine without Node.js.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let root =
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../ui/dist");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut source = String::from("static FILES: &[(&str, &[u8])] = &[\n");
    for path in files {
        let name = path
            .strip_prefix(&root)
            .expect("it was found below the root")
            .to_string_lossy()
            .replace('\\', "/");
        let path = path.canonicalize().expect("it was just found");
        writeln!(source, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())
            .expect("a String takes all");
    }
    source.push_str("];\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("screens.rs");
    std::fs::write(out, source).expect("cargo's output folder can be written");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    // No folder means that the screens were not built.
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
