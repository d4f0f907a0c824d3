//! `/zos/v1/memory`: what a context remembers, and what waits for the owner.
//!
//! Every answer is about one context. What the owner decides here is recorded; texts are not.

use crate::views::memory::*;

use super::Admin;
use super::deeds::{self, Deed, Done};
use super::problem::{AdminRefusal, Body};
use crate::views::AdminProblem;

use crate::gateway::Gateway;
use axum::Json;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use std::sync::Arc;
use zos_core::memory::{self, Flag, Id, MemoryError, Moment, Room};
use zos_core::{Code, Context, ContextName, RoomPolicy};

/// Decisions in one request: what may wait for review in one context. It bounds how long nobody else can
/// write there.
const DECISIONS_MAX: usize = 1000;

/// Memories in an answer where none are asked for by number.
const LIMIT: u32 = 20;

/// What answers a question, or, without one, everything in force.
#[utoipa::path(
    get, path = "/zos/v1/memory", operation_id = "search_memory", params(MemoryQuery),
    responses((status = 200, body = MemoryRecall), (status = 404, body = AdminProblem))
)]
pub(crate) async fn search(
    State(gateway): Admin,
    Query(query): Query<MemoryQuery>,
) -> Result<Json<MemoryRecall>, AdminRefusal> {
    let limit = query.limit.unwrap_or(LIMIT) as usize;
    work(&gateway, &query.context, move |of| {
        let recall = match query.q.as_deref() {
            Some(question) => MemoryRecall::from(of.room.search(question, limit, of.now)?),
            None => MemoryRecall::newest(of.room.in_force(of.now)?, limit),
        };
        Ok(Json(recall))
    })
    .await
}

/// Adds a memory. The owner's is in force; a model's, a tool's or an import waits for review.
#[utoipa::path(
    post, path = "/zos/v1/memory", operation_id = "add_memory", request_body = NewMemory,
    responses((status = 201, body = MemoryAdded), (status = 400, body = AdminProblem), (status = 404, body = AdminProblem))
)]
pub(crate) async fn add(
    State(gateway): Admin,
    Body(wanted): Body<NewMemory>,
) -> Result<(StatusCode, Json<MemoryAdded>), AdminRefusal> {
    let context = wanted.context.clone();
    work(&gateway, &context, move |of| {
        let new = wanted.read(of.now)?;
        let added = of.act("add a memory", || {
            let added = of.room.add(new, of.rules(), &of.context.memory.auto_accept, of.now)?;
            Ok(match added.flags.contains(&Flag::Duplicate) {
                true => Done::Nothing(added),
                false => Done::Happened(added, "memory added".to_owned()),
            })
        })?;
        Ok((StatusCode::CREATED, Json(added.into())))
    })
    .await
}

/// What waits for the owner.
#[utoipa::path(
    get, path = "/zos/v1/memory/review", operation_id = "review_memory", params(MemoryContext),
    responses((status = 200, body = MemoryReview), (status = 404, body = AdminProblem))
)]
pub(crate) async fn review(
    State(gateway): Admin,
    Query(query): Query<MemoryContext>,
) -> Result<Json<MemoryReview>, AdminRefusal> {
    work(&gateway, &query.context, move |of| Ok(Json(of.room.review(of.rules(), of.now)?.into()))).await
}

/// One memory, with what was so before.
#[utoipa::path(
    get, path = "/zos/v1/memory/{context}/{id}", operation_id = "show_memory", params(MemoryPath),
    responses((status = 200, body = MemoryShown), (status = 404, body = AdminProblem))
)]
pub(crate) async fn show(
    State(gateway): Admin,
    Path(path): Path<MemoryPath>,
) -> Result<Json<MemoryShown>, AdminRefusal> {
    work(&gateway, &path.context, move |of| Ok(Json(of.room.show(&id(&path.id)?, of.now)?.into()))).await
}

/// Accepts a proposal, or turns it down.
#[utoipa::path(
    post, path = "/zos/v1/memory/{context}/{id}", operation_id = "decide_memory", params(MemoryPath),
    request_body = MemoryDecision,
    responses(
        (status = 200, body = MemoryItem), (status = 404, body = AdminProblem),
        (status = 409, description = "It does not wait for review.", body = AdminProblem),
    )
)]
pub(crate) async fn decide(
    State(gateway): Admin,
    Path(path): Path<MemoryPath>,
    Body(wanted): Body<MemoryDecision>,
) -> Result<Json<MemoryItem>, AdminRefusal> {
    work(&gateway, &path.context, move |of| {
        let id = id(&path.id)?;
        let also = wanted.supersede.iter().map(|id| self::id(id)).collect::<Result<Vec<_>, _>>()?;
        of.room.show(&id, of.now)?;
        let item = match wanted.decision {
            MemoryVerdict::Accept => of.act("accept a memory", || {
                let item = of.room.accept(&id, &also, of.now)?;
                Ok(Done::Happened(item, "memory accepted".to_owned()))
            })?,
            MemoryVerdict::Reject => of.act("reject a memory", || {
                let item = of.room.reject(&id, of.now)?;
                Ok(Done::Happened(item, "memory rejected".to_owned()))
            })?,
        };
        Ok(Json(item.into()))
    })
    .await
}

/// Accepts several proposals, or turns them down. One that cannot be decided does not keep the others from
/// being so: each is told what became of it.
#[utoipa::path(
    post, path = "/zos/v1/memory/{context}", operation_id = "decide_memories",
    params(("context" = String, Path, description = "The context.")), request_body = MemoryDecisions,
    responses((status = 200, body = MemoryDecided), (status = 400, body = AdminProblem), (status = 404, body = AdminProblem))
)]
pub(crate) async fn decide_all(
    State(gateway): Admin,
    Path(context): Path<String>,
    Body(wanted): Body<MemoryDecisions>,
) -> Result<Json<MemoryDecided>, AdminRefusal> {
    if wanted.ids.is_empty() || wanted.ids.len() > DECISIONS_MAX {
        return Err(AdminRefusal::invalid(format!("`ids` holds 1 to {DECISIONS_MAX} ids.")));
    }
    work(&gateway, &context, move |of| {
        let ids = wanted.ids.iter().map(|id| self::id(id)).collect::<Result<Vec<_>, _>>()?;
        let accept = matches!(wanted.decision, MemoryVerdict::Accept);
        let (verb, word) = if accept { ("accept", "accepted") } else { ("reject", "rejected") };
        let done = of.act(&format!("{verb} {} memories", ids.len()), || {
            let done = of.room.decide(&ids, accept, of.now)?;
            Ok(match done.iter().filter(|decided| decided.is_ok()).count() {
                0 => Done::Nothing(done),
                count => Done::Happened(done, format!("{count} memories {word}")),
            })
        })?;
        Ok(Json(MemoryDecided::of(&ids, done)))
    })
    .await
}

/// Removes a memory and its file.
#[utoipa::path(
    delete, path = "/zos/v1/memory/{context}/{id}", operation_id = "forget_memory", params(MemoryPath),
    responses((status = 200, body = MemoryForgotten), (status = 404, body = AdminProblem))
)]
pub(crate) async fn forget(
    State(gateway): Admin,
    Path(path): Path<MemoryPath>,
) -> Result<Json<MemoryForgotten>, AdminRefusal> {
    work(&gateway, &path.context, move |of| {
        let id = id(&path.id)?;
        of.room.show(&id, of.now)?;
        let forgotten = of.act("forget a memory", || {
            Ok(Done::Happened(of.room.forget(&id)?, "memory forgotten".to_owned()))
        })?;
        Ok(Json(MemoryForgotten { id: forgotten.id.to_string(), forgotten: forgotten.forgotten }))
    })
    .await
}

/// Copies a memory into another context, through the firewalls of both.
#[utoipa::path(
    post, path = "/zos/v1/memory/{context}/{id}/promote", operation_id = "promote_memory", params(MemoryPath),
    request_body = MemoryPromotion,
    responses(
        (status = 201, body = MemoryAdded), (status = 404, body = AdminProblem),
        (status = 403, description = "A firewall denies it, or the context is hard.", body = AdminProblem),
    )
)]
pub(crate) async fn promote(
    State(gateway): Admin,
    Path(path): Path<MemoryPath>,
    Body(wanted): Body<MemoryPromotion>,
) -> Result<(StatusCode, Json<MemoryAdded>), AdminRefusal> {
    let target = Of::find(&gateway, &wanted.to)?;
    work(&gateway, &path.context, move |of| {
        let id = id(&path.id)?;
        of.room.show(&id, of.now)?;
        let added = of.act("promote a memory", || {
            let from = (&*of.room, of.context.isolation, of.rules());
            let added = memory::room::promote(from, (&*target.room, target.rules()), &id, of.now)?;
            Ok(match added.flags.contains(&Flag::Duplicate) {
                true => Done::Nothing(added),
                false => Done::Happened(added, "memory promoted".to_owned()),
            })
        })?;
        Ok((StatusCode::CREATED, Json(added.into())))
    })
    .await
}

/// Anthropic's memory tool on this context: the answer is the text for the model. What it writes waits
/// for review.
#[utoipa::path(
    post, path = "/zos/v1/memory/{context}/tool", operation_id = "memory_tool",
    params(("context" = String, Path, description = "The context.")), request_body = MemoryToolCall,
    responses((status = 200, body = MemoryToolAnswer), (status = 400, body = AdminProblem), (status = 404, body = AdminProblem))
)]
pub(crate) async fn tool(
    State(gateway): Admin,
    Path(context): Path<String>,
    Body(wanted): Body<MemoryToolCall>,
) -> Result<Json<MemoryToolAnswer>, AdminRefusal> {
    let command = serde_json::from_value(wanted.input).map_err(|error| {
        AdminRefusal::invalid(format!("`input` is no command of the memory tool: {error}."))
    })?;
    work(&gateway, &context, move |of| {
        let caller = memory::tool::Caller {
            rules: of.rules(),
            auto_accept: &of.context.memory.auto_accept,
            reference: wanted.reference.filter(|reference| !reference.trim().is_empty()),
            now: of.now,
        };
        Ok(Json(MemoryToolAnswer { text: memory::tool::run(&of.room, &caller, &command)? }))
    })
    .await
}

/// The memory of one context, with what its file says.
struct Of {
    gateway: Arc<Gateway>,
    context: Arc<Context>,
    policy: Option<Arc<RoomPolicy>>,
    room: Arc<Room>,
    now: Moment,
}

impl Of {
    fn find(gateway: &Arc<Gateway>, name: &str) -> Result<Self, AdminRefusal> {
        let name: ContextName = name.parse().map_err(|_| AdminRefusal::unknown_context())?;
        let snapshot = gateway.files.brain.snapshot();
        let state = snapshot.context(&name).ok_or_else(AdminRefusal::unknown_context)?;
        let context = state.context().cloned().ok_or_else(|| AdminRefusal::context_broken(state))?;
        Ok(Of {
            gateway: gateway.clone(),
            policy: snapshot.policy(&name),
            room: gateway.files.memories.room(&name),
            context,
            now: Moment::from_unix_ms(i64::try_from(gateway.journal.now_ms()).unwrap_or(i64::MAX)),
        })
    }

    fn rules(&self) -> Option<&zos_rules::RoomRules> {
        self.policy.as_deref().map(|policy| &policy.rules)
    }

    /// Does what the owner asked for in this context.
    fn act<T>(
        &self,
        intent: &str,
        perform: impl FnOnce() -> Result<Done<T>, AdminRefusal>,
    ) -> Result<T, AdminRefusal> {
        deeds::act_here(&self.gateway, &Deed::decision(Some(self.context.name.as_str()), intent), |_| {
            perform()
        })
    }
}

/// Runs what reads and writes files where it may block.
async fn work<T: Send + 'static>(
    gateway: &Arc<Gateway>,
    context: &str,
    task: impl FnOnce(Of) -> Result<T, AdminRefusal> + Send + 'static,
) -> Result<T, AdminRefusal> {
    let of = Of::find(gateway, context)?;
    let done = tokio::task::spawn_blocking(move || {
        of.room.follow();
        task(of)
    });
    done.await.unwrap_or_else(|error| Err(AdminRefusal::failed("The memory could not be used", &error)))
}

fn id(text: &str) -> Result<Id, AdminRefusal> {
    // What is no id is the id of nothing.
    text.parse().map_err(|_| MemoryError::UnknownId.into())
}

impl From<WrongField> for AdminRefusal {
    fn from(wrong: WrongField) -> Self {
        AdminRefusal::invalid(wrong.to_string())
    }
}

impl From<MemoryError> for AdminRefusal {
    fn from(error: MemoryError) -> Self {
        let whole = |error: &MemoryError| {
            let text = error.to_string();
            let mut letters = text.chars();
            let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
            format!("{first}{}.", letters.as_str().trim_end_matches('.'))
        };
        match &error {
            MemoryError::UnknownId => AdminRefusal::new(Code::UnknownMemory, whole(&error))
                .hint("`zos memory search` and `zos memory review` show the ids of a room."),
            MemoryError::Invalid { .. } | MemoryError::SameContext => AdminRefusal::invalid(whole(&error)),
            MemoryError::NotWaiting { .. } | MemoryError::NotInForce { .. } => {
                AdminRefusal::new(Code::Conflict, whole(&error))
            }
            MemoryError::HardContext => AdminRefusal::new(Code::MemoryDenied, whole(&error))
                .hint("Write it into the other room yourself, if it may stand there."),
            MemoryError::Denied { .. } => AdminRefusal::new(Code::MemoryDenied, whole(&error))
                .hint("`zos firewall test` shows the rule."),
            MemoryError::Linked { .. } => AdminRefusal::new(Code::Conflict, whole(&error))
                .hint("Replace the link by the folder itself."),
            MemoryError::Disk(source) => {
                AdminRefusal::failed("The memory could not be read or written", source)
            }
            MemoryError::Index(source) => AdminRefusal::failed("The index of the memory failed", source),
        }
    }
}
