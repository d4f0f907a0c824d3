//! Checks `tauri.conf.json` and the window's permissions while compiling.

fn main() {
    for folder in ["permissions", "capabilities"] {
        println!("cargo::rerun-if-changed=src-tauri/{folder}");
    }
    // Having permissions takes away the default that any window may call any command.
    let permissions =
        tauri_build::AppManifest::new().permissions_path_pattern("./src-tauri/permissions/*.toml");
    let attributes = tauri_build::Attributes::new()
        .app_manifest(permissions)
        .capabilities_path_pattern("./src-tauri/capabilities/**/*.json");
    if let Err(error) = tauri_build::try_build(attributes) {
        eprintln!("tauri.conf.json or src-tauri/capabilities cannot be used: {error:#}");
        std::process::exit(1);
    }
}
