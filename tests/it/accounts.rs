//! Accounts: the first visit, sign-in and its limits, invitations, passwords, sessions, and what protects them.

use reqwest::Method;
use serde_json::json;

use crate::support::{On, Options, PASSWORD, Page, Person, Server, eventually, new_id, on_both};

fn sign_in_fields<'a>(name: &'a str, password: &'a str) -> [(&'static str, &'a str); 3] {
    [("name", name), ("password", password), ("next", "/rooms")]
}

on_both! {
    async fn the_first_visit_makes_the_administrator(on: On) {
        let server = Server::start(on).await;
        let stranger = Person::stranger(&server.url);
        for path in ["/", "/rooms", "/sign-in", "/account"] {
            let page = stranger.get(path).await;
            assert_eq!((page.status, page.header("location")), (303, "/setup"), "{path}");
        }
        for (name, password) in [("Ada", "tiny-pw"), ("", PASSWORD), ("A\u{202e}da", PASSWORD)] {
            let page = stranger.post("/setup", &[("name", name), ("password", password)]).await;
            assert_eq!(page.status, 422, "{}", page.body);
            assert!(page.body.contains("role=\"alert\""), "the form comes back and says why");
            assert!(!page.body.contains(password), "a password is never sent back");
        }
        // Of two at once one is first.
        let other = Person::stranger(&server.url);
        let (one, two) = tokio::join!(
            stranger.post("/setup", &[("name", "Ada"), ("password", PASSWORD)]),
            other.post("/setup", &[("name", "Eve"), ("password", PASSWORD)])
        );
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 409]);
        assert_eq!(server.database.number("SELECT COUNT(*) FROM people").await, 1);
        let first = if one.status == 303 { &stranger } else { &other };
        assert_eq!(first.call(Method::GET, "/api/me", None).await.ok()["admin"], true);
        // And then it is over.
        assert_eq!(other.get("/setup").await.status, 303);
        let late = Person::stranger(&server.url).post("/setup", &[("name", "Mallory"), ("password", PASSWORD)]).await;
        assert_eq!(late.status, 409);
    }

    async fn elsewhere_the_first_account_needs_the_printed_link(on: On) {
        let server = Server::start(on).await;
        let link = server.prints("Make the first account: ").await;
        let link = link.trim_start_matches("Make the first account: ").to_owned();
        // Through a proxy that nobody declared, or by another name for this machine.
        for (header, value) in [("x-forwarded-for", "203.0.113.5"), ("host", "parlor.example")] {
            let away = Person::stranger(&server.url).with_header(header, value);
            let page = away.get("/setup").await;
            assert_eq!(page.status, 403, "{}", page.body);
            assert!(page.body.contains("set-up link"));
            let page = away.post("/setup", &[("name", "Eve"), ("password", PASSWORD), ("key", "wrong")]).await;
            assert_eq!(page.status, 403);
        }
        let away = Person::stranger(&server.url).with_header("x-forwarded-for", "203.0.113.5");
        let page = away.get(&link).await;
        assert_eq!(page.status, 200);
        let key = page.between("name=\"key\" value=\"", "\"").to_owned();
        let page = away.post("/setup", &[("name", "Ada"), ("password", PASSWORD), ("key", &key)]).await;
        assert_eq!(page.status, 303, "{}", page.body);
        assert!(!server.log().contains(&key), "the key is in no log");
    }

    async fn signing_in_leaves_no_warning_in_the_log(on: On) {
        let server = Server::start(on).await;
        server.first("Ada").await;
        server.person("Bob").await;
        server.signs_in("Bob").await.signs_out().await;
        let log = server.log();
        let warnings: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ") && !line.contains("no built-in model")).collect();
        assert!(warnings.is_empty(), "{warnings:#?}");
    }

    async fn signing_in_and_out(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada Lovelace").await;
        let room = ada.makes_room("Kitchen").await;
        let person = Person::stranger(&server.url);
        let page = person.get(&format!("/rooms/{room}?before=5")).await;
        assert_eq!(page.status, 303);
        let page = page.follow(&person).await;
        let next = page.between("name=\"next\" value=\"", "\"").replace("&#38;", "&");
        assert_eq!(next, format!("/rooms/{room}?before=5"), "one comes back to where one wanted to go");
        // However the name is written.
        let page = person.post("/sign-in", &[("name", " ada  lovelace"), ("password", PASSWORD), ("next", &next)]).await;
        let page = match page.status {
            303 => page,
            _ => person.post("/sign-in", &[("name", "ADA LOVELACE"), ("password", PASSWORD), ("next", &next)]).await,
        };
        assert_eq!((page.status, page.header("location")), (303, next.as_str()));
        assert_eq!(person.get("/sign-in?next=/people").await.header("location"), "/people");
        // Never on to another site.
        for evil in ["https://evil.example/", "//evil.example", "/\\evil.example"] {
            let page = Person::stranger(&server.url).post("/sign-in", &[("name", "Ada Lovelace"), ("password", PASSWORD), ("next", evil)]).await;
            assert_eq!(page.header("location"), "/");
        }
        let cookies = person.cookies();
        let page = person.signs_out().await;
        assert_eq!(page.header("location"), "/sign-in?signed_out=1");
        assert!(page.follow(&person).await.body.contains("You are signed out."));
        // The cookie that was is worth nothing.
        for (name, value) in &cookies {
            person.set_cookie(name, value);
        }
        assert_eq!(person.call(Method::GET, "/api/me", None).await.status, 401);
        assert_eq!(person.get("/rooms").await.status, 303);
    }

    async fn a_session_is_renewed_at_sign_in(on: On) {
        let server = Server::start(on).await;
        server.first("Ada").await;
        let person = Person::stranger(&server.url);
        // A cookie that somebody planted before.
        person.set_cookie("parlor", "AAAAAAAAAAAAAAAAAAAAAA");
        person.post("/sign-in", &sign_in_fields("Ada", PASSWORD)).await;
        let first = person.cookies();
        assert_ne!(first[0].1, "AAAAAAAAAAAAAAAAAAAAAA");
        person.post("/sign-in", &sign_in_fields("Ada", PASSWORD)).await;
        assert_ne!(person.cookies(), first);
        let old = Person::stranger(&server.url);
        old.set_cookie(&first[0].0, &first[0].1);
        assert_eq!(old.call(Method::GET, "/api/me", None).await.status, 401, "the one before is over");
        // The database holds no cookie.
        for row in server.database.rows("SELECT id, data FROM sessions").await {
            for (_, value) in person.cookies() {
                assert!(!format!("{row:?}").contains(&value));
            }
        }
    }

    async fn unknown_names_and_wrong_passwords_are_answered_alike(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let bob = server.person("Bob").await;
        ada.post(&format!("/people/{}/disable", bob.id), &[]).await;
        let stranger = Person::stranger(&server.url);
        let answer = async |name: &str, password: &str| {
            let page = stranger.post("/sign-in", &sign_in_fields(name, password)).await;
            assert!(!page.body.contains(password));
            (page.status, page.body.replace(&format!("value=\"{name}\""), "value=\"NAME\""))
        };
        let wrong = answer("Ada", "not her password").await;
        assert_eq!(wrong.0, 422);
        assert!(wrong.1.contains("The name or the password is not right."));
        assert_eq!(answer("Nobody", "not her password").await, wrong);
        assert_eq!(answer("Bob", PASSWORD).await, wrong, "a disabled account");
        assert_eq!(answer("Ada", &"x".repeat(5000)).await, wrong);
    }

    async fn invitations_are_limited_and_can_be_revoked(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let accept = async |link: &str, name: &str| {
            let person = Person::stranger(&server.url);
            let page = person.post(link, &[("name", name), ("password", PASSWORD)]).await;
            (page, person)
        };
        // For two people, and no third.
        let link = ada.invites(2).await;
        let (page, bob) = accept(&link, "Bob").await;
        assert_eq!(page.status, 303);
        assert!(page.follow(&bob).await.body.contains("Living room"), "it leads into a room");
        // A name that is taken, or looks like one, does not use it up.
        for name in ["bob", "Вob", "Ada", "Parlor"] {
            let (page, _) = accept(&link, name).await;
            assert_eq!(page.status, 409, "{name}: {}", page.body);
            assert!(page.body.contains("is taken") && page.body.contains(name));
        }
        assert_eq!(accept(&link, "Carol").await.0.status, 303);
        let (page, _) = accept(&link, "Dave").await;
        assert_eq!(page.status, 404);
        assert!(page.body.contains("not good any more"));
        assert_eq!(Person::stranger(&server.url).get(&link).await.status, 404);
        // Two at once for the last use.
        let link = ada.invites(1).await;
        let ((one, _), (two, _)) = tokio::join!(accept(&link, "Erin"), accept(&link, "Frank"));
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 404]);
        // Revoked.
        let link = ada.invites(5).await;
        let page = ada.get("/people").await;
        let revoke = format!("/people/invites/{}", page.between("/people/invites/", "\""));
        assert_eq!(bob.post(&revoke, &[]).await.status, 403);
        assert_eq!(ada.post(&revoke, &[]).await.status, 303);
        assert_eq!(accept(&link, "Grace").await.0.status, 404);
        // Expired.
        let link = ada.invites(5).await;
        server.database.execute("UPDATE invites SET expires_at = 1").await;
        assert_eq!(accept(&link, "Grace").await.0.status, 404);
        // Only administrators invite, and within bounds.
        assert_eq!(bob.get("/people").await.status, 404);
        assert!(matches!(bob.post("/people/invites", &[("uses", "1"), ("days", "7")]).await.status, 403 | 404));
        for (uses, days) in [("0", "7"), ("1", "0"), ("1", "400"), ("many", "7"), ("-1", "7")] {
            let page = ada.post("/people/invites", &[("uses", uses), ("days", days)]).await;
            assert_eq!(page.status, 422, "{uses} {days}");
        }
        // The link's secret is in no row and no log.
        let secret = link.trim_start_matches("/invite/");
        assert!(!format!("{:?}", server.database.rows("SELECT id, secret FROM invites").await).contains(secret));
        assert!(!server.log().contains(secret));
    }

    async fn a_new_password_ends_the_other_sessions(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let phone = server.signs_in("Ada").await;
        let new = "five other small blue words";
        for (current, new, status) in [("wrong password", new, 422), (PASSWORD, "short", 422)] {
            let page = ada.post("/account/password", &[("current", current), ("new", new)]).await;
            assert_eq!(page.status, status);
            assert!(page.body.contains("role=\"alert\""));
        }
        assert_eq!(phone.get("/account").await.status, 200, "nothing has changed yet");
        let page = ada.post("/account/password", &[("current", PASSWORD), ("new", new)]).await;
        assert_eq!(page.header("location"), "/account?done=password");
        assert_eq!(ada.get("/account").await.status, 200);
        assert_eq!(phone.get("/account").await.status, 303);
        let stranger = Person::stranger(&server.url);
        assert_eq!(stranger.post("/sign-in", &sign_in_fields("Ada", PASSWORD)).await.status, 422);
        assert_eq!(stranger.post("/sign-in", &sign_in_fields("Ada", new)).await.status, 303);
    }

    async fn ones_sessions_are_listed_and_can_be_ended(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let bob = server.person("Bob").await;
        let firefox = Person::stranger(&server.url).with_header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0");
        firefox.post("/sign-in", &sign_in_fields("Ada", PASSWORD)).await;
        assert_eq!(firefox.get("/account").await.status, 200);
        let page = ada.get("/account").await;
        assert!(page.body.contains("Firefox on Linux"), "{}", page.body);
        assert_eq!(page.body.matches("Sign out there</button>").count(), 1, "not here");
        let id = page.between("/account/sessions/", "/end").to_owned();
        assert_eq!(bob.post(&format!("/account/sessions/{id}/end"), &[]).await.status, 404, "somebody else's");
        assert_eq!(firefox.get("/account").await.status, 200);
        assert_eq!(ada.post(&format!("/account/sessions/{id}/end"), &[]).await.status, 303);
        assert_eq!(firefox.get("/account").await.status, 303);
        assert_eq!(ada.get("/account").await.status, 200);
    }

    async fn a_disabled_account_is_out_until_it_is_enabled(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let bob = server.person("Bob").await;
        let program = server.program("Bob").await;
        assert_eq!(bob.post(&format!("/people/{}/disable", ada.id), &[]).await.status, 403);
        let page = ada.post(&format!("/people/{}/disable", ada.id), &[]).await;
        assert_eq!(page.status, 403, "the last administrator");
        ada.post(&format!("/people/{}/disable", bob.id), &[]).await;
        for person in [&bob, &program] {
            assert_eq!(person.call(Method::GET, "/api/me", None).await.status, 401);
        }
        ada.post(&format!("/people/{}/enable", bob.id), &[]).await;
        assert_eq!(program.call(Method::GET, "/api/me", None).await.status, 200);
        assert_eq!(bob.call(Method::GET, "/api/me", None).await.status, 401, "sessions that ended stay ended");
        server.signs_in("Bob").await;
    }

    async fn one_administrator_always_remains(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        server.cli(&["user", "add", "Grace", "--password-stdin", "--admin"], PASSWORD).await.ok();
        let grace = server.signs_in("Grace").await;
        // Each disables the other at the same moment.
        let (hers, graces) = (format!("/people/{}/disable", grace.id), format!("/people/{}/disable", ada.id));
        let (one, two) = tokio::join!(ada.post(&hers, &[]), grace.post(&graces, &[]));
        let left = server.database.rows("SELECT name FROM people WHERE NOT disabled").await;
        assert_eq!(left.len(), 1, "{} {} {left:?}", one.status, two.status);
    }

    async fn expired_sessions_are_over(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        server.database.execute("UPDATE sessions SET expires_at = 1").await;
        assert_eq!(ada.call(Method::GET, "/api/me", None).await.status, 401);
        // The server forgets them when it starts.
        server.restart().await;
        let left = "SELECT COUNT(*) FROM sessions WHERE expires_at = 1";
        eventually("expired sessions are deleted", async || (server.database.number(left).await == 0).then_some(())).await;
    }

    async fn writes_of_other_sites_are_refused(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let room = ada.makes_room("Kitchen").await;
        let path = format!("/rooms/{room}/messages");
        let fields = crate::support::encoded(&[("id", &new_id()), ("text", "forged"), ("as", &ada.id)]);
        let send = async |headers: &[(&str, &str)], path: &str, kind: &str, body: &str| {
            let mut plain = ada.clone().with_header("content-type", kind);
            for (name, value) in headers {
                let name: &'static str = match *name {
                    "origin" => "origin",
                    _ => "sec-fetch-site",
                };
                plain = plain.with_header(name, value);
            }
            plain.send(plain.request(Method::POST, path).body(body.to_owned())).await
        };
        let form = "application/x-www-form-urlencoded";
        for headers in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")][..],
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")][..],
            &[("origin", "http://127.0.0.1:1")][..],
        ] {
            let page = send(headers, &path, form, &fields).await;
            assert_eq!(page.status, 403, "{headers:?}");
            assert!(page.body.contains("another site"), "{}", page.body);
            let page = send(headers, &format!("/api/rooms/{room}/messages"), "application/json", &json!({ "text": "forged" }).to_string()).await;
            assert_eq!((page.status, page.code().as_str()), (403, "cross_site"));
            assert_eq!(send(headers, "/sign-out", form, "").await.status, 403);
        }
        assert_eq!(send(&[("sec-fetch-site", "same-origin")], &path, form, &fields).await.status, 303);
        let origin = server.url.clone();
        assert_eq!(send(&[("origin", origin.as_str())], &format!("/api/rooms/{room}/messages"), "application/json", "{\"text\":\"mine\"}").await.status, 201);
        assert_eq!(ada.messages(&room).await.len(), 2);
    }

    async fn tokens_are_shown_and_revoked_on_the_account_page(on: On) {
        let server = Server::start(on).await;
        let ada = server.first("Ada").await;
        let bob = server.person("Bob").await;
        let program = server.program("Ada").await;
        let page = ada.get("/account").await;
        let tokens = server.cli(&["token", "list", "--json"], "").await.json();
        let id = tokens[0]["id"].as_str().unwrap().to_owned();
        assert!(page.body.contains("Tokens for programs"));
        assert_eq!(bob.post(&format!("/account/tokens/{id}/revoke"), &[]).await.status, 404, "somebody else's");
        assert_eq!(program.call(Method::GET, "/api/me", None).await.status, 200);
        assert_eq!(ada.post(&format!("/account/tokens/{id}/revoke"), &[]).await.status, 303);
        assert_eq!(program.call(Method::GET, "/api/me", None).await.status, 401);
        assert_eq!(server.database.rows("SELECT secret FROM tokens").await.len(), 1, "a fingerprint stays, so that it is never good again");
    }
}

/// An account has ten tries at once, an address forty; both are told when to come back.
#[tokio::test]
async fn guessing_is_throttled() {
    let server = Server::start(On::Sqlite).await;
    server.first("Ada").await;
    let guess = async |name: &str| Person::stranger(&server.url).post("/sign-in", &sign_in_fields(name, "not her password")).await;
    let told = |page: &Page| {
        assert!(page.header("retry-after").parse::<u64>().unwrap() >= 1);
        assert!(page.body.contains("Try again in") && page.body.contains("name=\"password\""), "the form says so: {}", page.body);
    };
    let mut tries = 0;
    let refused = loop {
        let page = guess("Ada").await;
        if page.status == 429 {
            break page;
        }
        assert_eq!(page.status, 422);
        tries += 1;
    };
    assert!((10..=11).contains(&tries), "{tries}");
    told(&refused);
    // The right password does not help either, and however the name is written, it is one account.
    assert_eq!(Person::stranger(&server.url).post("/sign-in", &sign_in_fields("ADA", PASSWORD)).await.status, 429);
    // Others can still sign in from here, until the address has had its share.
    assert_eq!(guess("Somebody").await.status, 422);
    let answers = futures_util::future::join_all((0..40).map(|n| {
        let guess = &guess;
        async move { guess(&format!("Name {n}")).await }
    }))
    .await;
    assert!(answers.iter().any(|page| page.status == 429), "an address is throttled");
    answers.iter().filter(|page| page.status == 429).for_each(told);
}

/// Behind a proxy that is trusted: who comes over TLS has a `__Host-` cookie, and each visitor an address of their own.
#[tokio::test]
async fn behind_a_trusted_proxy_cookies_are_secure() {
    let server = Server::with(On::Sqlite, Options::args(&["--trusted-proxies", "127.0.0.1"])).await;
    let link = server.prints("Make the first account: ").await;
    let key = link.split_once("key=").unwrap().1.to_owned();
    let over_tls = Person::stranger(&server.url).with_header("x-forwarded-proto", "https").with_header("x-forwarded-for", "203.0.113.7");
    assert_eq!(over_tls.get("/setup").await.status, 403, "nobody behind a proxy is on this machine");
    let page = over_tls.post("/setup", &[("name", "Ada"), ("password", PASSWORD), ("key", &key)]).await;
    assert_eq!(page.status, 303, "{}", page.body);
    let cookie = page.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-parlor="), "{cookie}");
    for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    assert!(page.header("strict-transport-security").contains("max-age"));
    assert!(over_tls.get("/account").await.body.contains("here,"));
    let addresses = server.database.rows("SELECT address FROM sessions").await;
    assert_eq!(addresses[0][0].as_deref(), Some("203.0.113.7"));
    // A secure cookie is worth nothing over plain http, and a plain one nothing over TLS.
    let plain = Person::stranger(&server.url);
    for (name, value) in over_tls.cookies() {
        plain.set_cookie(&name, &value);
    }
    assert_eq!(plain.call(Method::GET, "/api/me", None).await.status, 401);

    // On plain http, and with a proxy that nobody trusts, the cookie has its plain name.
    let server = Server::start(On::Sqlite).await;
    server.first("Ada").await;
    let lying = Person::stranger(&server.url).with_header("x-forwarded-proto", "https");
    let page = lying.post("/sign-in", &sign_in_fields("Ada", PASSWORD)).await;
    let cookie = page.header("set-cookie");
    assert!(
        cookie.starts_with("parlor=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"),
        "{cookie}"
    );
    assert_eq!(page.header("strict-transport-security"), "");
}

/// A strict policy from the first page on, and nothing inline that it would have to allow.
#[tokio::test]
async fn every_page_has_a_strict_content_policy() {
    let server = Server::start(On::Sqlite).await;
    let check = |page: &Page, what: &str| {
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"),
            "{what}: {policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{what}: {policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{what}");
        let html = page.body.to_lowercase();
        for tag in html.split("<script").skip(1) {
            assert!(
                tag.split('>').next().unwrap().contains(" src=\"/assets/") && tag.split_once('>').unwrap().1.starts_with("</script>"),
                "{what}: an inline script"
            );
        }
        // Text that looks like markup is shown as text: only real tags count.
        for tag in html.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap();
            for inline in [" style=", " onclick=", " onload=", " onerror=", " onsubmit=", "=\"javascript:"] {
                assert!(!tag.contains(inline) && !tag.starts_with("style"), "{what}: <{tag}>");
            }
        }
    };
    let stranger = Person::stranger(&server.url);
    check(&stranger.get("/setup").await, "/setup");
    let ada = server.first("Ada").await;
    let room = ada.makes_room("Kitchen").await;
    let message =
        ada.says(&room, "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) **b** <style>b{}</style>").await;
    let invitation = ada.invites(1).await;
    for path in ["/sign-in", &invitation, "/nothing", "/web/stream-chat", "/healthz", "/readyz"] {
        check(&stranger.get(path).await, path);
    }
    for path in [
        "/rooms",
        "/account",
        "/people",
        &format!("/rooms/{room}"),
        &format!("/rooms/{room}/settings"),
        &format!("/rooms/{room}/messages/{message}"),
        "/nothing",
        "/api/me",
        "/api/nothing",
    ] {
        let page = ada.get(path).await;
        check(&page, path);
        if page.status == 200 {
            assert_eq!(page.header("cache-control"), "private, no-cache", "{path}: what one person sees is in nobody's cache");
        }
    }
    // Assets never change under their address, and what is not there is not there.
    let page = ada.get("/rooms").await;
    let asset = format!("/assets/{}", page.between("/assets/", "\""));
    let css = stranger.get(&asset).await;
    assert_eq!(css.status, 200);
    assert!(css.header("cache-control").contains("immutable"));
    for path in ["/assets/x/../../etc/passwd", "/assets/x/css/nothing.css", "/assets/x/%2e%2e/%2e%2e/Cargo.toml"] {
        assert_eq!(stranger.get(path).await.status, 404, "{path}");
    }
}
