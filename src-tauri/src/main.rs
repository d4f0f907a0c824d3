//! The desktop shell of zOS: brain and gateway in one process, with a tray and a window.
//!
//! No rules live here. What the tray does and what the window shows goes through the admin API of the
//! gateway, inside this process ([`admin`], [`scheme`]); Tauri commands serve only what a browser cannot do.
//!
//! Reading order: [`start`] (from the command line to the running application), [`shared`] (what all parts
//! share), [`tray`], [`window`], [`listen`] (the port), [`quit`] (the orderly end). Around them:
//! [`arguments`], [`log`], [`display`], [`change`], [`notice`], [`notification`], [`events`].

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod admin;
mod arguments;
mod change;
mod display;
mod events;
mod listen;
mod log;
mod notice;
mod notification;
mod quit;
mod scheme;
mod shared;
mod start;
mod tray;
mod window;

use std::process::ExitCode;

fn main() -> ExitCode {
    match start::run(&arguments::read()) {
        Ok(code) => code,
        Err(error) => {
            notice::say(&error);
            ExitCode::from(2)
        }
    }
}
