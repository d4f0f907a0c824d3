//! Tool calls of a stream: which tool each is of, and where it points, judged before anything of it leaves.

use super::{Guard, TEXTS_LIMIT};
use crate::destination::Destination;
use crate::targets::{self, Court, TargetFindings};
use smallvec::SmallVec;
use zos_wire::json::Value;
use zos_wire::places::{Leaves, Place, ROOT, Role};
use zos_wire::sse::Stop;

/// The longest arguments of a call that are held to be judged.
const CALL_LIMIT_BYTES: usize = 8 << 20;

impl Guard {
    /// Remembers the tools that an event names, and judges the calls that stand whole in it; gives what the
    /// owner has to confirm of them.
    pub(super) fn whole_calls(
        &mut self,
        leaves: &Leaves<'_>,
        value: &Value<'_>,
    ) -> Result<Vec<Destination>, Stop> {
        for (call, name) in &leaves.names {
            if self.tools.len() == TEXTS_LIMIT {
                return Err(Stop::Unreadable("the answer has too many calls"));
            }
            let name = name.text();
            if !name.is_empty() {
                self.tools.entry(*call).or_insert_with(|| name.into_owned());
            }
        }
        let pieces = leaves.all.iter().filter(|leaf| leaf.role == Role::Piece);
        let skip: SmallVec<[usize; 4]> = pieces.map(|leaf| leaf.range.start).collect();
        let tool = self.tool_of(leaves).unwrap_or_default();
        let mut found = TargetFindings::default();
        let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
        targets::whole(court, value, &skip, tool, &mut found);
        self.check_call(found)
    }

    /// The tool whose call an event is about.
    pub(super) fn tool_of(&self, leaves: &Leaves<'_>) -> Option<&str> {
        let call = leaves.all.iter().map(|leaf| leaf.call).find(|call| *call != ROOT)?;
        self.tools.get(&call).map(String::as_str)
    }

    /// After a call was judged: what the owner has to confirm of it.
    fn check_call(&mut self, found: TargetFindings) -> Result<Vec<Destination>, Stop> {
        let open = found.open(&self.policy);
        self.findings.targets.absorb(found);
        let outcome = self.check_findings();
        self.is_call_stopped |= outcome.is_err();
        outcome.map(|()| open)
    }

    /// Keeps what a call says. One that goes on after it was judged is judged again.
    pub(super) fn write_call(&mut self, text: usize, words: &str) -> Result<(), Stop> {
        let Some(call) = &mut self.texts[text].call else { return Ok(()) };
        if words.is_empty() {
            return Ok(());
        }
        if call.written.len() + words.len() > CALL_LIMIT_BYTES {
            return Err(Stop::Unreadable("the arguments of a tool call are too long"));
        }
        call.written.push_str(words);
        call.is_judged = false;
        call.may_leave = self.policy.is_paused();
        self.call_bytes += words.len();
        Ok(())
    }

    /// A call is whole, as far as can be known: judges where it points. Before, nothing of it has left.
    pub(super) fn end_call(&mut self, text: usize) -> Result<(), Stop> {
        let Some(call) = &mut self.texts[text].call else { return Ok(()) };
        if std::mem::replace(&mut call.is_judged, true) {
            return Ok(());
        }
        let place = call.place;
        let tool = self.tools.get(&place).map_or("", String::as_str);
        let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
        let mut found = TargetFindings::default();
        if let Some(call) = &self.texts[text].call {
            court.call(tool, &call.written, &mut found);
        }
        if let Some(all) = self.arguments_of(place) {
            court.call(tool, &all, &mut found);
        }
        let whole = self.arguments_of(place);
        let written = self.texts[text].call.as_ref().map_or("", |call| call.written.as_str());
        let arguments = whole.as_deref().unwrap_or(written);
        let granted = self.masks.as_ref().map(|masks| masks.restorable().granted(tool, arguments));
        let confirm = self.check_call(found)?;
        if let Some(granted) = granted {
            self.texts[text].grant(granted);
        }
        if let Some(call) = &mut self.texts[text].call {
            call.may_leave = confirm.is_empty();
            call.confirm = confirm;
        }
        Ok(())
    }

    /// The arguments of a call that come in more places than one, in order: a client may read them as one.
    fn arguments_of(&self, place: Place) -> Option<String> {
        let calls = self.texts.iter().filter_map(|text| text.call.as_ref());
        let said: Vec<&str> = calls
            .filter(|call| call.place == place && !call.written.is_empty())
            .map(|call| call.written.as_str())
            .collect();
        (place != ROOT && said.len() > 1).then(|| said.concat())
    }
}
