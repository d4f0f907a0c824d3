//! Step 4: tokens are held before anything is forwarded.

use super::route::Routed;
use crate::call::Call;
use crate::problem::{Code, Problem};
use http::{HeaderMap, HeaderValue};
use zos_meter::{Balance, ReserveError};

/// Tokens held for an answer without a limit of its own.
const OUTPUT_WITHOUT_LIMIT: u64 = 4096;

/// A call whose tokens are held.
pub(crate) struct Reserved {
    pub(super) routed: Routed,
}

pub(super) async fn run(
    routed: Routed,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> Result<Reserved, Problem> {
    let inspected = &routed.inspected;
    if inspected.arrived.face.is_free() {
        return Ok(Reserved { routed });
    }
    let output = match inspected.arrived.face {
        crate::wire::Face::Embeddings => 0,
        _ => inspected.asked.output_limit.unwrap_or(OUTPUT_WITHOUT_LIMIT),
    };
    let tokens = inspected.input_tokens.saturating_add(output);
    let limit = inspected.resolved.context.budget.daily_tokens;
    match call.reserve(&inspected.resolved.name, tokens, limit).await {
        Ok(balance) => {
            write_remaining(&balance, headers);
            Ok(Reserved { routed })
        }
        Err(ReserveError::Exhausted { limit, used, reserved, asked, resets_at }) => {
            let wait_s = resets_at.saturating_sub(call.now_ms()).div_ceil(1000);
            let left = limit.saturating_sub(used).saturating_sub(reserved);
            let held = if reserved > 0 {
                format!(" ({reserved} more are held for calls in progress)")
            } else {
                String::new()
            };
            let mut problem = Problem::new(
                Code::BudgetExceeded,
                format!(
                    "The daily budget of context \"{}\" has {left} of {limit} tokens left{held}, and this call may need {asked}.",
                    inspected.resolved.name
                ),
            )
            .hint(format!(
                "Raise budget.daily_tokens, ask for fewer output tokens, or wait {} h {} min for the reset.",
                wait_s / 3600,
                wait_s % 3600 / 60
            ));
            problem.retry_after_s = Some(wait_s.max(1));
            headers.insert("x-zos-budget-remaining", HeaderValue::from(left));
            Err(problem)
        }
        Err(ReserveError::Ledger(error)) if limit.is_none() => {
            // Without a limit nothing can be overspent; the usage of this call may be missing.
            tracing::error!(%error, "usage cannot be written");
            Ok(Reserved { routed })
        }
        Err(ReserveError::Ledger(error)) => {
            tracing::error!(%error, "the budget cannot be read");
            Err(Problem::new(
                Code::Internal,
                "The budget of this context cannot be read, so nothing may be spent.",
            )
            .hint("See `zos doctor`: gateway/usage.db cannot be read or written."))
        }
    }
}

/// Whole tokens left, where there is a limit.
pub(super) fn write_remaining(balance: &Balance, headers: &mut HeaderMap) {
    if let Some(remaining) = balance.remaining() {
        headers.insert("x-zos-budget-remaining", HeaderValue::from(remaining));
    }
}
