//! `/zos/v1/contexts`: contexts as the screens show and change them. The files are the truth: a change
//! is a change of the file, and refuses to overwrite what it has not seen.

use super::Admin;
use super::deeds::{self, Deed, Done};
use super::problem::{AdminRefusal, Body, Name};
use crate::views::{
    AdminProblem, ContextChange, ContextDetail, ContextSummary, ContextWritten, Contexts, EtagQuery,
    FileProblem, ListEntry,
};
use axum::Json;
use axum::extract::{Query, State};
use http::StatusCode;
use zos_core::edit::{self, EntryText};
use zos_core::{Code, ContextName, Entry, WriteError};

/// All contexts, with what is broken and why.
#[utoipa::path(get, path = "/zos/v1/contexts", operation_id = "list_contexts", responses((status = 200, body = Contexts)))]
pub(crate) async fn list(State(house): Admin) -> Json<Contexts> {
    let snapshot = house.brain.snapshot();
    let contexts: Vec<_> =
        snapshot.contexts.iter().map(|(name, state)| ContextSummary::new(&snapshot, name, state)).collect();
    let shown: Vec<&FileProblem> = contexts.iter().flat_map(|context| &context.problems).collect();
    let others = snapshot.problems.iter().map(FileProblem::from).filter(|problem| !shown.contains(&problem));
    let problems = others.collect();
    Json(Contexts { contexts, problems })
}

/// One context with its file.
#[utoipa::path(
    get, path = "/zos/v1/contexts/{name}", operation_id = "show_context", params(("name" = String, Path, description = "Name of the context.")),
    responses((status = 200, body = ContextDetail), (status = 404, body = AdminProblem))
)]
pub(crate) async fn show(State(house): Admin, Name(name): Name) -> Result<Json<ContextDetail>, AdminRefusal> {
    let snapshot = house.brain.snapshot();
    let state = snapshot.context(&name).ok_or_else(AdminRefusal::unknown_context)?;
    let brain = house.brain.clone();
    let of = name.clone();
    let source = match tokio::task::spawn_blocking(move || brain.source(&of)).await {
        Ok(Ok(source)) => source,
        // The built-in context has no file yet: an empty one is what a first change starts from.
        Ok(Err(WriteError::Unknown(_))) => {
            zos_core::ContextSource { yaml: String::new(), etag: String::new() }
        }
        Ok(Err(error)) => return Err(AdminRefusal::failed("The context's file could not be read", &error)),
        Err(error) => return Err(AdminRefusal::failed("The context's file could not be read", &error)),
    };
    let entries = |list: &[Entry]| list.iter().map(ListEntry::from).collect();
    let context = state.context();
    Ok(Json(ContextDetail {
        summary: ContextSummary::new(&snapshot, &name, state),
        yaml: source.yaml,
        etag: source.etag,
        outbound_deny: context.map(|context| entries(&context.outbound_deny)).unwrap_or_default(),
        confidential: context.map(|context| entries(&context.confidential)).unwrap_or_default(),
    }))
}

/// Writes a context's file: its whole text, or only its lists. It is in force when this answers.
#[utoipa::path(
    put, path = "/zos/v1/contexts/{name}", operation_id = "write_context", params(("name" = String, Path, description = "Name of the context.")),
    request_body = ContextChange,
    responses(
        (status = 200, body = ContextWritten), (status = 404, body = AdminProblem),
        (status = 409, description = "The file changed since it was read.", body = AdminProblem),
        (status = 422, description = "The new text is no valid context.", body = AdminProblem),
    )
)]
pub(crate) async fn write(
    State(house): Admin,
    Name(name): Name,
    Body(change): Body<ContextChange>,
) -> Result<Json<ContextWritten>, AdminRefusal> {
    let deed = Deed::decision(Some(name.as_str()), format!("write context file {name}"));
    let etag = deeds::act(house, deed, move |house| {
        let yaml = new_text(&house.brain, &name, &change)?;
        let etag = change.etag.as_deref().filter(|etag| !etag.is_empty());
        let source = house.brain.write(&name, &yaml, etag).map_err(refusal)?;
        Ok(Done::Happened(source.etag, format!("context file written: {name}")))
    });
    Ok(Json(ContextWritten { etag: etag.await? }))
}

/// Removes a context's file. Its prose overlay and memory stay.
#[utoipa::path(
    delete, path = "/zos/v1/contexts/{name}", operation_id = "delete_context",
    params(("name" = String, Path, description = "Name of the context."), EtagQuery),
    responses((status = 204), (status = 404, body = AdminProblem), (status = 409, body = AdminProblem))
)]
pub(crate) async fn delete(
    State(house): Admin,
    Name(name): Name,
    Query(query): Query<EtagQuery>,
) -> Result<StatusCode, AdminRefusal> {
    let deed = Deed::decision(Some(name.as_str()), format!("remove context file {name}"));
    deeds::act(house, deed, move |house| {
        house.brain.delete(&name, &query.etag).map_err(refusal)?;
        Ok(Done::Happened(StatusCode::NO_CONTENT, format!("context file removed: {name}")))
    })
    .await
}

/// The text that a change makes of the file.
fn new_text(
    brain: &zos_core::Brain,
    name: &ContextName,
    change: &ContextChange,
) -> Result<String, AdminRefusal> {
    let mut yaml = match (&change.yaml, &change.etag) {
        (Some(yaml), _) => yaml.clone(),
        (None, Some(etag)) if !etag.is_empty() => {
            let source = brain.source(name).map_err(refusal)?;
            if source.etag != *etag {
                return Err(refusal(WriteError::Conflict { current: Some(source) }));
            }
            source.yaml
        }
        (None, _) => String::new(),
    };
    for (key, list) in [("outbound_deny", &change.outbound_deny), ("confidential", &change.confidential)] {
        let Some(list) = list else { continue };
        let entries = list.iter().map(entry_text).collect::<Result<Vec<_>, _>>()?;
        yaml = edit::set_list(&yaml, key, &entries).map_err(|error| {
            AdminRefusal::new(Code::InvalidContext, format!("The list cannot be edited here: {error}."))
                .hint("Edit the file itself.")
        })?;
    }
    Ok(yaml)
}

fn entry_text(entry: &ListEntry) -> Result<EntryText, AdminRefusal> {
    if [&entry.term, &entry.pattern, &entry.pack].into_iter().flatten().count() != 1 {
        return Err(AdminRefusal::invalid(
            "Each entry of a list has exactly one of `term`, `pattern` and `pack`.",
        ));
    }
    let (term, pattern, pack) = (entry.term.clone(), entry.pattern.clone(), entry.pack.clone());
    Ok(EntryText { term, pattern, pack, action: entry.action.clone(), note: entry.note.clone() })
}

fn refusal(error: WriteError) -> AdminRefusal {
    match error {
        WriteError::Unknown(_) => AdminRefusal::unknown_context(),
        WriteError::Conflict { .. } => {
            AdminRefusal::new(Code::Conflict, "The file changed since it was read, so nothing was written.")
                .hint("Load it again and make your change once more.")
        }
        WriteError::Invalid { problems } => AdminRefusal::new(
            Code::InvalidContext,
            "The new text is no valid context; the file is untouched.",
        )
        .problems(&problems),
        error @ WriteError::Io(_) => AdminRefusal::failed("The context's file could not be used", &error),
    }
}
