#![cfg(unix)]

use super::*;
use std::fs::{Permissions, create_dir_all, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use zos_core::Api;
use zos_core::fleet::KeySource;

/// A home whose fleet only its owner may write, and a provider whose command notes each of its runs there.
struct Scene {
    _folder: tempfile::TempDir,
    home: Home,
    commands: Arc<KeyCommands>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::resolve(Some(folder.path())).unwrap();
        for name in ["routing", "gateway"] {
            create_dir_all(home.root().join(name)).unwrap();
            set_permissions(home.root().join(name), Permissions::from_mode(0o700)).unwrap();
        }
        write(home.fleet(), "version: 1\n").unwrap();
        set_permissions(home.fleet(), Permissions::from_mode(0o600)).unwrap();
        Scene { commands: KeyCommands::new(home.clone()), _folder: folder, home }
    }

    fn provider(&self, script: &str) -> Provider {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        let command = KeyCommand { argv, ttl: Duration::from_secs(3600) };
        Provider { keys: vec![KeySource::Command(command)], ..Provider::at("p", Api::OpenAi, None) }
    }

    /// A provider whose command is allowed.
    fn allowed(&self, script: &str) -> Provider {
        let provider = self.provider(script);
        allowed::allow(&self.home, "p", &provider.key_command().unwrap().digest("p")).unwrap();
        provider
    }

    async fn key(&self, provider: &Provider) -> Result<Printed, CommandError> {
        self.commands.key(provider, provider.key_command().unwrap()).await
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.home.root().join("runs")).map_or(0, |text| text.lines().count())
    }
}

/// Prints `key-N` at its Nth run.
const COUNTS: &str = "echo run >> runs; echo key-$(wc -l < runs | tr -d ' ')";

#[tokio::test]
async fn many_who_ask_at_once_wait_for_one_run_and_later_ones_for_none() {
    let scene = Scene::new();
    let provider = scene.allowed(COUNTS);
    let keys = futures::future::join_all((0..20).map(|_| scene.key(&provider))).await;
    for key in keys {
        assert_eq!(key.unwrap().key.expose(), "key-1");
    }
    assert_eq!(scene.key(&provider).await.unwrap().key.expose(), "key-1");
    assert_eq!(scene.runs(), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_ends_nobodys_run() {
    let scene = Scene::new();
    let provider = scene.allowed(COUNTS);
    let first = scene.commands.kept_or_running(&provider, provider.key_command().unwrap(), Instant::now());
    drop(first.err().expect("nothing is kept yet"));
    assert_eq!(scene.key(&provider).await.unwrap().key.expose(), "key-1");
    assert_eq!(scene.runs(), 1);
}

#[tokio::test]
async fn a_refused_key_is_replaced_once_and_then_only_after_one_that_was_accepted() {
    let scene = Scene::new();
    let provider = scene.allowed(COUNTS);
    let command = provider.key_command().unwrap();
    let first = scene.key(&provider).await.unwrap();
    let refused = |generation| scene.commands.in_place_of(&provider, command, generation);
    let second = refused(first.generation).await.unwrap().unwrap();
    assert_eq!(second.key.expose(), "key-2");
    // Another call that was refused with the first one gets the second, and no run.
    assert_eq!(refused(first.generation).await.unwrap().unwrap().key.expose(), "key-2");
    assert!(
        refused(second.generation).await.is_none(),
        "no key of it is accepted, so it is not run in a storm"
    );
    assert_eq!(scene.runs(), 2);
    scene.commands.accepted(&provider, second.generation);
    assert_eq!(refused(second.generation).await.unwrap().unwrap().key.expose(), "key-3");
}

#[tokio::test]
async fn a_key_is_renewed_early_while_the_old_one_serves_and_waited_for_when_it_is_over() {
    let scene = Scene::new();
    let provider = scene.allowed(COUNTS);
    let command = provider.key_command().unwrap();
    let first = scene.key(&provider).await.unwrap();
    let late = Instant::now() + command.ttl.mul_f64(0.95);
    let served = scene.commands.kept_or_running(&provider, command, late).ok().unwrap().unwrap();
    assert_eq!(served.generation, first.generation);
    let running = scene.commands.states.lock().unwrap()[&command.digest("p")].running.clone().unwrap();
    assert_eq!(running.await.unwrap().key.expose(), "key-2");
    let over = Instant::now() + command.ttl * 2;
    let running = scene.commands.kept_or_running(&provider, command, over).err().unwrap();
    assert_eq!(running.await.unwrap().key.expose(), "key-3");
    assert_eq!(age(Duration::from_secs(59), Duration::from_secs(100)), Age::Fresh);
}

#[tokio::test]
async fn a_command_that_failed_is_left_alone_for_a_while_and_its_words_are_for_the_doctor() {
    let scene = Scene::new();
    let provider = scene.allowed("echo run >> runs; echo 'please sign in' >&2; exit 1");
    for _ in 0..3 {
        assert_eq!(scene.key(&provider).await.err(), Some(CommandError::Failed(Some(1))));
    }
    assert_eq!(scene.runs(), 1);
    let (error, stderr) = scene.commands.standing(&provider, provider.key_command().unwrap());
    assert_eq!((error, stderr.as_str()), (Some(CommandError::Failed(Some(1))), "please sign in"));
}

#[tokio::test]
async fn a_command_runs_only_once_it_is_allowed_as_it_stands() {
    let scene = Scene::new();
    let provider = scene.provider(COUNTS);
    assert_eq!(scene.key(&provider).await.err(), Some(CommandError::NotAllowed));
    let provider = scene.allowed(COUNTS);
    assert!(scene.key(&provider).await.is_ok(), "what the owner says counts at once");
    let changed = scene.provider("echo run >> runs; echo other");
    assert_eq!(scene.key(&changed).await.err(), Some(CommandError::NotAllowed));
    assert_eq!(scene.runs(), 1);
}

#[tokio::test]
async fn nothing_runs_that_others_may_have_written() {
    let scene = Scene::new();
    let provider = scene.allowed(COUNTS);
    set_permissions(scene.home.fleet(), Permissions::from_mode(0o666)).unwrap();
    let error = scene.key(&provider).await.err().unwrap();
    assert!(matches!(error, CommandError::OthersMayWrite { .. }), "{error}");
    assert_eq!(scene.runs(), 0);
    set_permissions(scene.home.fleet(), Permissions::from_mode(0o600)).unwrap();
    assert!(scene.key(&provider).await.is_ok());
}
