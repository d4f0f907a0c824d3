//! A PostgreSQL that fails for a while: read-only, without rights, full, gone. Each time limited calls are refused
//! with the reason, what is owed is booked afterwards, nothing is booked twice, and nothing has to be restarted.

use std::time::Duration;

use zos_meter::{Ledger, LedgerError, PostgresLedger, PostgresOptions, ReserveError, Trouble};

use crate::house::{House, ask, history, spend, standing};
use crate::postgres::psql;

/// A user of the server with a schema of its own, so that what is done to it harms no other test.
struct Role {
    server: String,
    name: String,
}

impl Role {
    fn new(house: &House) -> Option<Self> {
        let Ok(server) = std::env::var("ZOS_METER_POSTGRES") else {
            eprintln!("skipped: no PostgreSQL in ZOS_METER_POSTGRES; use scripts/with-postgres");
            return None;
        };
        let role = Self { server, name: house.schema() };
        let name = &role.name;
        role.owner(&format!("CREATE ROLE {name} LOGIN; CREATE SCHEMA {name} AUTHORIZATION {name}"));
        Some(role)
    }

    fn owner(&self, statement: &str) {
        assert!(psql(&self.server, statement), "{statement}");
    }

    /// Ends the connections of this user, so that what was changed about it holds.
    fn hang_up(&self) {
        let name = &self.name;
        self.owner(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'"
        ));
    }

    fn connect(&self) -> PostgresLedger {
        let (user, rest) = self.server.split_once('@').unwrap();
        let user = user.replace("zos", &self.name);
        let address = format!("{user}@{rest}&options=-c%20search_path%3D{}", self.name);
        let patience = Duration::from_secs(2);
        let options = PostgresOptions { lease: Duration::from_secs(60), connections: 4, patience };
        PostgresLedger::connect(&address, options).unwrap()
    }
}

/// Asks until the ledger is in this trouble, and gives back what was granted before.
async fn refused_for(ledger: &PostgresLedger, wanted: Trouble) {
    for number in 0.. {
        let id = format!("asked/{number}/{}", "x".repeat(200));
        match ledger.reserve(ask(&id, 1, Some(1_000_000))).await {
            Ok(_) => drop(ledger.release(&id).await),
            Err(ReserveError::Ledger(LedgerError::Storage { trouble, .. })) if trouble == wanted => return,
            // The connection that was hung up tells of that first.
            Err(ReserveError::Ledger(LedgerError::Storage { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// In trouble what was held is settled; out of it the settlement is booked, once, and calls are granted again.
async fn owed_and_booked(ledger: &PostgresLedger, fix: impl FnOnce()) {
    assert!(ledger.settle("held", spend(7)).await.is_err(), "not yet");
    assert!(ledger.settle("held", spend(7)).await.is_err(), "nor again");
    assert!(ledger.flush().await.is_err(), "it is owed");
    fix();
    while ledger.flush().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while ledger.reserve(ask("after", 5, Some(1_000_000))).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ledger.settle("after", spend(3)).await.unwrap();
    assert_eq!(standing(ledger).await, (10, 0));
    let rows = history(ledger).await;
    let booked: u64 = rows.iter().map(|row| row.usage.total() + row.expired).sum();
    assert_eq!((rows.iter().map(|row| row.calls).sum::<u64>(), booked), (2, 10));
}

#[tokio::test]
async fn a_database_that_turns_read_only_is_told_and_survived() {
    let house = House::new();
    let Some(role) = Role::new(&house) else { return };
    let (ledger, name) = (role.connect(), &role.name);
    ledger.reserve(ask("held", 10, Some(1_000_000))).await.unwrap();
    role.owner(&format!("ALTER ROLE {name} SET default_transaction_read_only = on"));
    role.hang_up();
    refused_for(&ledger, Trouble::ReadOnly).await;
    let read = ledger.balance("acme", crate::house::today(), &[]).await.unwrap().today;
    assert_eq!((read.used, read.reserved), (0, 10), "reading goes on");
    owed_and_booked(&ledger, || {
        role.owner(&format!("ALTER ROLE {name} RESET default_transaction_read_only"));
        role.hang_up();
    })
    .await;
}

#[tokio::test]
async fn a_user_who_loses_its_rights_is_told_and_survived() {
    let house = House::new();
    let Some(role) = Role::new(&house) else { return };
    let (ledger, name) = (role.connect(), &role.name);
    ledger.reserve(ask("held", 10, Some(1_000_000))).await.unwrap();
    role.owner(&format!("REVOKE INSERT, UPDATE ON ALL TABLES IN SCHEMA {name} FROM {name}"));
    refused_for(&ledger, Trouble::ReadOnly).await;
    owed_and_booked(&ledger, || {
        role.owner(&format!("GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA {name} TO {name}"));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_told_and_survived() {
    let house = House::new();
    let Some(role) = Role::new(&house) else { return };
    let (ledger, name) = (role.connect(), &role.name);
    ledger.reserve(ask("held", 10, Some(1_000_000))).await.unwrap();
    role.owner(&format!("ALTER ROLE {name} CONNECTION LIMIT 0"));
    role.hang_up();
    refused_for(&ledger, Trouble::Busy).await;
    owed_and_booked(&ledger, || role.owner(&format!("ALTER ROLE {name} CONNECTION LIMIT -1"))).await;
}

#[tokio::test]
async fn a_full_disk_is_told_and_survived() {
    let house = House::new();
    let Some(role) = Role::new(&house) else { return };
    let Ok(folder) = std::env::var("ZOS_METER_POSTGRES_SMALL") else {
        eprintln!(
            "skipped: no small disk in ZOS_METER_POSTGRES_SMALL; scripts/with-postgres makes one as root"
        );
        return;
    };
    let name = &role.name;
    role.owner(&format!("CREATE TABLESPACE {name} LOCATION '{folder}'"));
    role.owner(&format!(
        "GRANT CREATE ON TABLESPACE {name} TO {name}; ALTER ROLE {name} SET default_tablespace = {name}"
    ));
    let ledger = role.connect();
    ledger.reserve(ask("held", 10, Some(1_000_000))).await.unwrap();
    // Everything but what the ledger's own files have already.
    let fill = format!(
        "CREATE TABLE {name}.filler (text char(1000)) TABLESPACE {name}; DO $$ BEGIN LOOP
           BEGIN INSERT INTO {name}.filler SELECT 'x' FROM generate_series(1, 100); EXCEPTION WHEN disk_full THEN EXIT; END;
         END LOOP; LOOP
           BEGIN INSERT INTO {name}.filler VALUES ('x'); EXCEPTION WHEN disk_full THEN EXIT; END;
         END LOOP; END $$"
    );
    role.owner(&fill);
    refused_for(&ledger, Trouble::Full).await;
    // What fits into pages that are there may still be written: a settlement needs no new one.
    let settled = ledger.settle("held", spend(7)).await.is_ok();
    role.owner(&format!("DROP TABLE {name}.filler"));
    while ledger.flush().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(standing(&ledger).await, (7, 0), "settled at once: {settled}");
    ledger.reserve(ask("after", 5, Some(1_000_000))).await.unwrap();
    ledger.settle("after", spend(3)).await.unwrap();
    assert_eq!(standing(&ledger).await, (10, 0));
    assert_eq!(history(&ledger).await.iter().map(|row| row.calls).sum::<u64>(), 2);
}
