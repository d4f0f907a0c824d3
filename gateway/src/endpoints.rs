//! Endpoints that answer from what is here, and forward nothing: the models of a room, and MCP.

pub(crate) mod mcp;
pub(crate) mod models;
