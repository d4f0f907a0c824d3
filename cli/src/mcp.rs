//! `zos mcp`: a room's MCP server over standard input and output, one JSON message a line.
//!
//! Each message is handed to the zOS that runs on this home, else to one that is opened for this message, so
//! that it is governed and recorded like any call and keeps no other zOS from the home. Which of the two is
//! looked up for every message: clients keep this process for hours.

use crate::admin::{Admin, Ask};
use crate::failure::{Failure, Outcome, Reason, Result};
use crate::output::Output;
use crate::session::Session;
use clap::Args;
use serde_json::{Value, json};
use std::io::{BufRead, Read, Write};
use zos_core::{Code, ContextName};

/// Offer a room to an AI client, as an MCP server over standard input and output
#[derive(Args)]
pub(crate) struct Command {
    /// The room; the client cannot leave it
    #[arg(long, short, value_name = "NAME")]
    context: ContextName,
}

/// The longest message that is read, in bytes: what the admin API takes.
const MESSAGE_BYTES: usize = 4 << 20;

/// Serves until standard input ends.
pub(crate) fn run(session: &Session, command: &Command, _output: &mut Output) -> Result<Outcome> {
    let (home, context) = (session.home()?, &command.context);
    // A client shows why its server did not start better than why each message failed.
    Admin::new(home).ask(&Ask::get(&["contexts", context.as_str()])).map_err(|failure| {
        match failure.reason() {
            Some(reason) if reason.is(Code::UnknownContext) => Failure::unknown_context(context.as_str()),
            _ => failure,
        }
    })?;
    serve(&mut std::io::stdin().lock(), &mut std::io::stdout().lock(), |message| {
        Admin::new(home).ask(&Ask::post(&["mcp", context.as_str()], message))
    })
}

fn serve(
    input: &mut impl BufRead,
    output: &mut impl Write,
    ask: impl Fn(&Value) -> Result<Value>,
) -> Result<Outcome> {
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(MESSAGE_BYTES as u64 + 1).read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::environment(&error))? == 0 {
            return Ok(Outcome::Fine);
        }
        if line.len() > MESSAGE_BYTES {
            let message = format!("A message of more than {MESSAGE_BYTES} bytes arrived.");
            return Err(Failure::wrong(Code::InvalidRequest, message).hint("Send less at once."));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let answer = match serde_json::from_slice::<Value>(&line) {
            Ok(message) => match ask(&message) {
                Ok(answer) => answer,
                Err(failure) => failed(&message, failure.reason()),
            },
            Err(_) => error(Value::Null, -32700, "The message is no JSON.", &Value::Null),
        };
        if !answer.is_null() {
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
    }
}

/// What a client is told whose message could not be handed over; nothing where it asks for no answer.
fn failed(message: &Value, reason: Option<&Reason>) -> Value {
    let (Some(id), Some(reason)) = (message.get("id"), reason) else { return Value::Null };
    let hint = reason.hint.as_ref().map(|hint| format!(" {hint}")).unwrap_or_default();
    error(id.clone(), -32603, &format!("{}{hint}", reason.message), &json!({"code": reason.code}))
}

fn error(id: Value, code: i32, message: &str, data: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, "data": data}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(input: &[u8]) -> (Result<Outcome>, Vec<Value>) {
        let mut output = Vec::new();
        let outcome = serve(&mut &*input, &mut output, |message| match message["method"].as_str() {
            Some("silent") => Ok(Value::Null),
            Some("bad") => Err(Failure::failed(Code::BudgetExceeded, "Used up.").hint("Wait.")),
            _ => Ok(json!({"id": message["id"]})),
        });
        let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        (outcome, lines.map(|line| serde_json::from_slice(line).unwrap()).collect())
    }

    #[test]
    fn every_line_gets_its_answer_and_nothing_else_is_written() {
        let (outcome, answers) = talk(
            b"{\"id\":1}\n\n{\"method\":\"silent\"}\nno json\n{\"id\":\"a\",\"method\":\"bad\"}\n{\"method\":\"bad\"}\n{\"id\":2}",
        );
        assert!(matches!(outcome, Ok(Outcome::Fine)));
        assert_eq!(answers.len(), 4, "{answers:?}");
        assert_eq!(answers[0], json!({"id": 1}));
        assert_eq!(answers[1]["error"]["code"], -32700);
        assert_eq!(
            answers[2],
            json!({"jsonrpc": "2.0", "id": "a", "error": {
                "code": -32603, "message": "Used up. Wait.", "data": {"code": "zos_budget_exceeded"},
            }})
        );
        assert_eq!(answers[3], json!({"id": 2}));
    }

    #[test]
    fn a_line_without_end_is_not_read_for_ever() {
        let (outcome, answers) = talk(&vec![b'x'; MESSAGE_BYTES + 1]);
        assert!(outcome.is_err() && answers.is_empty());
    }
}
