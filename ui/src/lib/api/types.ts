/** Short names for the generated types. Nothing that crosses the wire is typed by hand. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Active = Schemas["Active"];
export type Approval = Schemas["Approval"];
export type AuditPage = Schemas["AuditPage"];
export type AuditRecord = Schemas["AuditRecord"];
export type BudgetLimit = Schemas["BudgetLimit"];
export type BudgetState = Schemas["BudgetState"];
export type ContextDetail = Schemas["ContextDetail"];
export type ContextSummary = Schemas["ContextSummary"];
export type Contexts = Schemas["Contexts"];
export type Counts = Schemas["Counts"];
export type Decision = Schemas["Decision"];
export type FileProblem = Schemas["FileProblem"];
export type FirewallVerdict = Schemas["FirewallVerdict"];
export type FirewallViolation = Schemas["FirewallViolation"];
export type HouseEvent = Schemas["Event"];
export type KeyInfo = Schemas["KeyInfo"];
export type ListEntry = Schemas["ListEntry"];
export type MemoryWaiting = Schemas["MemoryWaiting"];
export type NewKey = Schemas["NewKey"];
export type ProviderInfo = Schemas["ProviderInfo"];
export type ProviderTest = Schemas["ProviderTest"];
export type Status = Schemas["Status"];
