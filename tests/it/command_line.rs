//! The command line: what it does with a server that runs and without one, what it prints, and how it refuses.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use reqwest::Method;

use crate::support::server::test_model;
use crate::support::{On, Options, PASSWORD, Person, Server, on_both};

/// Every command, in an order in which each finds what it needs.
async fn every_command(server: &Server) {
    let text = async |args: &[&str], stdin: &str| server.cli(args, stdin).await.ok().to_owned();
    assert_eq!(
        text(&["user", "add", "Grace", "--password-stdin", "--admin"], &format!("{PASSWORD}\n")).await,
        "Grace has an account as an administrator."
    );
    assert_eq!(text(&["user", "add", "Hal", "--password-stdin"], PASSWORD).await, "Hal has an account.");
    let users = server.cli(&["user", "list", "--json"], "").await.json();
    let grace = users.as_array().unwrap().iter().find(|user| user["name"] == "Grace").expect("she is listed");
    assert_eq!((&grace["admin"], &grace["disabled"]), (&true.into(), &false.into()));
    let table = text(&["user", "list"], "").await;
    assert!(table.lines().any(|line| line.starts_with("Grace ") && line.contains("administrator")), "{table}");
    assert!(
        text(&["user", "reset-password", "hal", "--password-stdin"], "five other small blue words\n")
            .await
            .contains("signed out everywhere")
    );

    let room = server.cli(&["room", "add", "Workshop", "--private", "--json"], "").await.json();
    assert_eq!(room["private"], true);
    assert!(text(&["room", "list"], "").await.contains("Workshop"));
    assert!(server.cli(&["room", "list", "--json"], "").await.json().as_array().unwrap().iter().any(|room| room["name"] == "Workshop"));

    let link = text(&["invite", "--uses", "2", "--days", "3", "--room", "workshop"], "").await;
    assert!(link.starts_with("http://") && link.contains("/invite/") && link.lines().count() == 1, "{link}");
    let invite = server.cli(&["invite", "--json"], "").await.json();
    assert!(invite["link"].as_str().unwrap().contains("/invite/"));

    // The token alone, so that a script can keep it.
    let token = text(&["token", "add", "Grace"], "").await;
    assert!(token.starts_with("parlor_") && token.lines().count() == 1 && !token.contains(' '), "{token}");
    let tokens = server.cli(&["token", "list", "--json"], "").await.json();
    let id = tokens.as_array().unwrap().iter().find(|token| token["person"] == "Grace").unwrap()["id"].as_str().unwrap().to_owned();
    let listed = text(&["token", "list"], "").await;
    assert!(listed.contains(&id) && !listed.contains(&token), "a secret is shown once");
    assert_eq!(text(&["token", "revoke", &id], "").await, "The token is revoked.");
    let again = server.cli(&["token", "revoke", &id], "").await;
    assert!(again.refused().contains("There is no token"), "{}", again.err);

    let added = text(
        &[
            "assistant",
            "add",
            "Helper",
            "--provider",
            "openai",
            "--base-url",
            "https://models.example.org/v1/",
            "--model",
            "m",
            "--key-env",
            "MODEL_KEY",
            "--header",
            "X-Team: secret-team",
            "--speaks",
            "always",
            "--room",
            "Workshop",
        ],
        "",
    )
    .await;
    assert!(added.contains("Helper"), "{added}");
    let listed = text(&["assistant", "list"], "").await;
    assert!(listed.contains("Helper") && listed.contains("https://models.example.org/v1") && listed.contains("MODEL_KEY"), "{listed}");
    assert!(!listed.contains("secret-team"), "headers may hold keys");
    let all = server.cli(&["assistant", "list", "--json"], "").await.json();
    assert_eq!(all.as_array().unwrap().iter().find(|a| a["name"] == "Helper").unwrap()["provider"], "openai");
    assert!(text(&["assistant", "remove", "HELPER"], "").await.contains("What it wrote stays."));
}

/// Every command, with something that it must refuse, and a word of the sentence.
const REFUSED: [(&[&str], &str, &str); 18] = [
    (&["user", "add", "Grace", "--password-stdin"], "four small blue words", "taken"),
    (&["user", "add", "Zoe", "--password-stdin"], "short", "too short"),
    (&["user", "add", "@Zoe", "--password-stdin"], "four small blue words", "name"),
    (&["user", "reset-password", "Nobody", "--password-stdin"], "four small blue words", "nobody of the name"),
    (&["room", "add", "  "], "", "empty"),
    (&["invite", "--uses", "0"], "", "1 to 1000 people"),
    (&["invite", "--days", "9999"], "", "days"),
    (&["invite", "--room", "Nowhere"], "", "no room"),
    (&["token", "add", "Nobody"], "", "nobody of the name"),
    (&["token", "revoke", "5"], "", "no token"),
    (&["assistant", "add", "M", "--base-url", "models.example.org", "--model", "m"], "", "base URL"),
    (&["assistant", "add", "M", "--base-url", "https://u:p@models.example.org/v1", "--model", "m"], "", "--key-env"),
    (&["assistant", "add", "M", "--base-url", "https://models.example.org/v1"], "", "--model"),
    (&["assistant", "add", "M", "--provider", "magic"], "", "magic"),
    (&["assistant", "add", "M", "--provider", "scripted", "--model", "echo", "--speaks", "loudly"], "", "always"),
    (&["assistant", "add", "M", "--base-url", "https://x.example/v1", "--model", "m", "--header", "novalue"], "", "Name: value"),
    (&["assistant", "add", "M", "--base-url", "https://x.example/v1", "--model", "m", "--key-env", "sk-123"], "", "variable"),
    (&["assistant", "remove", "Nobody"], "", "no assistant"),
];

async fn every_refusal(server: &Server) {
    for (args, stdin, word) in REFUSED {
        let done = server.cli(args, stdin).await;
        let sentence = done.refused();
        assert!(sentence.starts_with("parlor: ") && sentence.lines().count() == 1 && sentence.contains(word), "{args:?}: {sentence}");
    }
}

on_both! {
    async fn every_command_works_while_the_server_runs(on: On) {
        let server = Server::start(on).await;
        server.first("Ada").await;
        every_command(&server).await;
        every_refusal(&server).await;
        // What a command did is there at once, and what it ended is over.
        server.signs_in("Grace").await;
        let program = server.program("Grace").await;
        assert_eq!(program.call(Method::GET, "/api/rooms", None).await.status, 200);
        let hal = Person::stranger(&server.url);
        assert_eq!(hal.post("/sign-in", &[("name", "Hal"), ("password", "five other small blue words")]).await.status, 303);
        server.cli(&["user", "reset-password", "Hal", "--password-stdin"], PASSWORD).await.ok();
        assert_eq!(hal.call(Method::GET, "/api/me", None).await.status, 401);
        let mode = std::fs::metadata(server.data().join("parlor.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "the socket is for the server's own user alone");
    }

    async fn every_command_works_without_a_server(on: On) {
        let server = Server::prepare(on, Options::default()).await;
        every_command(&server).await;
        every_refusal(&server).await;
        // And a server that starts afterwards finds it.
        let server = server.go().await;
        let grace = server.signs_in("Grace").await;
        assert_eq!(grace.call(Method::GET, "/api/me", None).await.ok()["admin"], true);
        let rooms = grace.call(Method::GET, "/api/rooms", None).await.ok();
        assert!(rooms["rooms"].as_array().unwrap().iter().any(|room| room["name"] == "Workshop" && room["role"] == "owner"), "{rooms}");
        server.terminate().await;
        assert!(!server.data().join("parlor.sock").exists());
        server.cli(&["user", "list"], "").await.ok();
    }
}

#[tokio::test]
async fn many_commands_at_once_wait_for_each_other() {
    let server = Server::prepare(On::Sqlite, Options::default()).await;
    let names: Vec<String> = (0..6).map(|n| format!("Person {n}")).collect();
    let added = futures_util::future::join_all(names.iter().map(|name| {
        let server = &server;
        async move { server.cli(&["user", "add", name, "--password-stdin"], PASSWORD).await }
    }))
    .await;
    for done in &added {
        done.ok();
    }
    assert_eq!(server.cli(&["user", "list", "--json"], "").await.json().as_array().unwrap().len(), 6);
}

/// Addresses of sockets are at most 107 bytes long; folders may be deeper.
#[tokio::test]
async fn deep_folders_work() {
    let deep = format!("{0}/{0}/{0}", "a-folder-with-a-rather-long-name-as-they-happen-to-be");
    let server = Server::prepare(On::Sqlite, Options { folder: Some(deep), ..Options::default() }).await.go().await;
    assert!(server.data().as_os_str().len() > 150);
    server.first("Ada").await;
    assert!(server.cli(&["user", "list"], "").await.ok().contains("Ada"));
    server.program("Ada").await;
    server.terminate().await;
    assert!(server.cli(&["user", "list"], "").await.ok().contains("Ada"));
}

#[tokio::test]
async fn a_socket_that_somebody_left_is_no_hindrance() {
    let server = Server::start(On::Sqlite).await;
    server.first("Ada").await;
    server.kill9().await;
    let socket = server.data().join("parlor.sock");
    assert!(socket.exists(), "a crash leaves it");
    assert!(server.cli(&["user", "list"], "").await.ok().contains("Ada"), "a command works on the folder itself");
    server.restart().await;
    assert!(server.cli(&["user", "list"], "").await.ok().contains("Ada"));
    // One that another program made.
    server.terminate().await;
    drop(UnixListener::bind(&socket).unwrap());
    server.restart().await;
    server.program("Ada").await;
}

#[tokio::test]
async fn wrong_settings_are_said_in_one_sentence() {
    let server = Server::prepare(On::Sqlite, Options::default()).await;
    let file = server.temp().join("a-file");
    std::fs::write(&file, "not a folder").unwrap();
    let file = file.to_str().unwrap();
    let nowhere = format!("sqlite:{}/nowhere/parlor.db", server.temp().display());
    let garbage = format!("sqlite:{file}");
    for (args, env, words) in [
        (&["--listen", "everywhere"][..], &[][..], &["--listen", "everywhere"][..]),
        (&["--listen", "192.0.2.1:80"], &[], &["192.0.2.1:80", "--listen"]),
        (&["--database", "mysql://somewhere"], &[], &["sqlite:", "postgres://"]),
        (&["--database", "postgres://nobody:hunter2@127.0.0.1:1/nothing"], &[], &["database"]),
        (&["--database", "postgres://[::bad"], &[], &["postgres://"]),
        (&["--database", &nowhere], &[], &["nowhere/parlor.db"]),
        (&["--database", &garbage], &[], &["a-file"]),
        (&["--data", file], &[], &["--data"]),
        (&["--model", "/nowhere/model.gguf"], &[], &["/nowhere/model.gguf", "--model"]),
        (&["--posts-per-minute", "0"], &[], &["--posts-per-minute"]),
        (&["--files-per-person", "24"], &[], &["--files-per-person", "25"]),
        (&["--public-url", "chat.example.org"], &[], &["--public-url"]),
        (&["--trusted-proxies", "nginx"], &[], &["--trusted-proxies"]),
        (&["--log", "parlor=loud=very"], &[], &["--log"]),
        (&[], &[("PARLOR_LISTEN", "nonsense")], &["nonsense"]),
    ] {
        let mut all = vec!["serve"];
        // Where a test is not about the address, none is taken.
        if !args.contains(&"--listen") && env.is_empty() {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(args);
        let done = server.cli_with(&all, "", env).await;
        // Besides what was logged before it.
        let sentences: Vec<&str> = done.refused().lines().filter(|line| line.starts_with("parlor: ")).collect();
        let [sentence] = sentences[..] else { panic!("{args:?}: {}", done.err) };
        assert!(sentence.ends_with('.') && done.err.trim_end().ends_with(sentence), "{args:?}: {}", done.err);
        for word in words {
            assert!(sentence.contains(word), "{args:?}: {sentence}");
        }
        assert!(!sentence.contains("hunter2"), "no password is shown: {sentence}");
    }
    for (file, word) in [("listen = 5", "parlor.toml"), ("lisen = \"127.0.0.1:1\"", "lisen")] {
        std::fs::write(server.data().join("parlor.toml"), file).unwrap();
        for command in [&["serve"][..], &["user", "list"]] {
            let done = server.cli(command, "").await;
            assert!(done.refused().contains(word), "{}", done.err);
        }
    }
    // A file that is right is heard.
    std::fs::write(server.data().join("parlor.toml"), "listen = \"127.0.0.1:0\"\nposts-per-minute = 60\n").unwrap();
    server.cli(&["user", "list"], "").await.ok();
    // What clap refuses has its own words, and an exit code too.
    for args in [&["dance"][..], &[], &["user", "add"], &["serve", "--nonsense"], &["user", "add", "Ada"]] {
        let done = server.cli(args, "").await;
        assert_eq!(done.status.code(), Some(2), "{args:?}");
        assert!(done.err.contains("Usage"), "{}", done.err);
    }
    let help = server.cli(&["--help"], "").await;
    assert!(help.ok().contains("serve") && help.ok().contains("--data"), "{}", help.out);
}

#[tokio::test]
async fn a_model_is_added_checked_and_listed() {
    let server = Server::prepare(On::Sqlite, Options::default()).await;
    let models = server.cli(&["model", "list", "--json"], "").await.json();
    assert_eq!(models.as_array().unwrap().len(), 0);
    let model = test_model();
    let added = server.cli(&["model", "add", model.to_str().unwrap(), "--json"], "").await;
    assert!(added.err.contains("100 % copied"), "progress is shown: {}", added.err);
    let json = added.json();
    assert_eq!((&json["verified"], &json["already_there"], &json["bytes"]), (&true.into(), &false.into(), &98_362_432_u64.into()));
    let again = server.cli(&["model", "add", model.to_str().unwrap()], "").await;
    assert!(again.ok().contains("was there already"), "{}", again.out);
    assert!(server.cli(&["model", "list"], "").await.ok().contains("SmolLM2"));
    // Something else is refused, and so is nothing.
    let rubbish = server.temp().join("rubbish.gguf");
    std::fs::write(&rubbish, "no model").unwrap();
    for file in [rubbish.to_str().unwrap(), "/nowhere/model.gguf"] {
        let done = server.cli(&["model", "add", file], "").await;
        assert!(!done.status.success() && done.err.contains("parlor: ") && !done.err.contains("panicked"), "{}", done.err);
    }
    // A link in the folder serves as well as a copy.
    let other = Server::prepare(On::Sqlite, Options::default()).await;
    std::fs::create_dir_all(other.data().join("models")).unwrap();
    symlink(&model, other.data().join("models").join(model.file_name().unwrap())).unwrap();
    assert!(other.cli(&["model", "list"], "").await.ok().contains("SmolLM2"));
}
