//! In front of the door and at it: the first account, signing in and out, invitations, one's own account.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use tower_sessions::Session;

use super::client::Client;
use super::error::{Answer, Trouble};
use super::extract::{Asked, Fields, Ids, SignedIn};
use super::page::{Around, form_error, show, show_as};
use super::session::PERSON;
use super::{Site, assets};
use crate::chat::ChatError;
use crate::domain::id::{PersonId, TokenId};
use crate::view::{AccountPage, Chrome, JoinPage, Look, SessionRow, SetupPage, SignInPage, TokenRow};
use crate::words::Words;

#[derive(Debug, Default, Deserialize)]
pub struct SetupKey {
    key: Option<String>,
}

/// `GET /setup`: makes the first account. Reached from this machine, or through the link that the server printed.
pub async fn setup_page(State(site): State<Site>, client: Client, look: Look, Asked(asked): Asked<SetupKey>) -> Answer<Response> {
    if !site.chat.is_new().await? {
        return Ok(Redirect::to("/").into_response());
    }
    may_set_up(&site, client, asked.key.as_deref())?;
    show(&SetupPage { chrome: Chrome::outside(assets::build(), look), key: asked.key.as_deref(), name: "", error: None })
}

#[derive(Debug, Deserialize)]
pub struct NewAccount {
    name: String,
    password: String,
    key: Option<String>,
}

pub async fn set_up(
    State(site): State<Site>,
    client: Client,
    look: Look,
    session: Session,
    Fields(new): Fields<NewAccount>,
) -> Answer<Response> {
    may_set_up(&site, client, new.key.as_deref())?;
    match site.chat.set_up(&new.name, &new.password, client.address).await {
        Ok((person, room)) => {
            begin_session(&session, person.id).await?;
            Ok(Redirect::to(&format!("/rooms/{room}")).into_response())
        }
        Err(error) => {
            let (status, sentence) = form_error(error.into())?;
            let page = SetupPage {
                chrome: Chrome::outside(assets::build(), look),
                key: new.key.as_deref(),
                name: &new.name,
                error: Some(&sentence),
            };
            show_as(status, &page)
        }
    }
}

fn may_set_up(site: &Site, client: Client, key: Option<&str>) -> Answer<()> {
    // Compared as fingerprints, so that the time it takes says nothing of how much was right.
    let fits = key.is_some_and(|key| crate::domain::secret::fingerprint(key) == crate::domain::secret::fingerprint(&site.setup_key));
    match client.here || fits {
        true => Ok(()),
        false => Err(Trouble::new(
            StatusCode::FORBIDDEN,
            "set_up_here",
            "Nobody has an account yet. The first one is made on the machine itself, or with the set-up link that the server printed when it started.",
        )),
    }
}

#[derive(Debug, Default, Deserialize)]
pub struct Next {
    next: Option<String>,
    #[serde(default)]
    signed_out: Option<String>,
}

pub async fn sign_in_page(
    State(site): State<Site>,
    signed_in: Option<SignedIn>,
    look: Look,
    Asked(asked): Asked<Next>,
) -> Answer<Response> {
    let next = safe_path(asked.next.as_deref());
    if signed_in.is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    if site.chat.is_new().await? {
        return Ok(Redirect::to("/setup").into_response());
    }
    let notice = asked.signed_out.is_some().then(|| look.w.signed_out());
    show(&SignInPage { chrome: Chrome::outside(assets::build(), look), name: "", next, error: None, notice })
}

#[derive(Debug, Deserialize)]
pub struct SignIn {
    name: String,
    password: String,
    next: Option<String>,
}

pub async fn sign_in(
    State(site): State<Site>,
    client: Client,
    look: Look,
    session: Session,
    Fields(form): Fields<SignIn>,
) -> Answer<Response> {
    let next = safe_path(form.next.as_deref());
    match site.chat.sign_in(&form.name, form.password, client.address).await {
        Ok(signed_in) => {
            begin_session(&session, signed_in.person.id).await?;
            session.save().await.map_err(not_kept)?;
            if !site.chat.still_holds(&signed_in).await? {
                session.flush().await.map_err(not_kept)?;
                return Err(ChatError::WrongPassword.into());
            }
            Ok(Redirect::to(next).into_response())
        }
        Err(error) => {
            let trouble = Trouble::from(error);
            let retry_after = trouble.retry_after;
            let (status, sentence) = form_error(trouble)?;
            let page =
                SignInPage { chrome: Chrome::outside(assets::build(), look), name: &form.name, next, error: Some(&sentence), notice: None };
            let mut response = show_as(status, &page)?;
            if let Some(wait) = retry_after {
                response.headers_mut().insert(axum::http::header::RETRY_AFTER, (wait.as_secs() + 1).into());
            }
            Ok(response)
        }
    }
}

/// A path of ours to go on to; never another site's address.
pub(super) fn safe_path(next: Option<&str>) -> &str {
    let ours = |path: &&str| path.starts_with('/') && !path.starts_with("//") && path.chars().all(|c| c.is_ascii_graphic() && c != '\\');
    next.filter(ours).unwrap_or("/")
}

/// Signs in under a new cookie: one that somebody may have planted before is worth nothing afterwards.
async fn begin_session(session: &Session, person: PersonId) -> Answer<()> {
    if session.id().is_some() {
        session.flush().await.map_err(not_kept)?;
    }
    session.cycle_id().await.map_err(not_kept)?;
    session.insert(PERSON, person).await.map_err(not_kept)
}

// By value, as `map_err` gives it.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn not_kept(error: tower_sessions::session::Error) -> Trouble {
    Trouble::new(StatusCode::SERVICE_UNAVAILABLE, "session", format!("The sign-in cannot be kept: {error}. Try again."))
}

pub async fn sign_out(session: Session) -> Answer<Redirect> {
    // Deleting the row ends the session's streams too.
    session.flush().await.map_err(|error| {
        Trouble::new(StatusCode::SERVICE_UNAVAILABLE, "session", format!("You could not be signed out: {error}. Try again."))
    })?;
    Ok(Redirect::to("/sign-in?signed_out=1"))
}

pub async fn join_page(State(site): State<Site>, look: Look, Ids(secret): Ids<String>) -> Answer<Response> {
    let inviter = inviter(&site, &secret).await?;
    show(&JoinPage { chrome: Chrome::outside(assets::build(), look), token: &secret, inviter: inviter.as_deref(), name: "", error: None })
}

pub async fn accept_invite(
    State(site): State<Site>,
    client: Client,
    session: Session,
    Ids(secret): Ids<String>,
    look: Look,
    Fields(new): Fields<NewAccount>,
) -> Answer<Response> {
    match site.chat.accept_invite(&secret, &new.name, &new.password, client.address).await {
        Ok((person, room)) => {
            begin_session(&session, person.id).await?;
            let to = room.map_or("/rooms".to_owned(), |room| format!("/rooms/{room}"));
            Ok(Redirect::to(&to).into_response())
        }
        Err(ChatError::NotFound) => Err(no_invite()),
        Err(error) => {
            let (status, sentence) = form_error(error.into())?;
            let inviter = inviter(&site, &secret).await?;
            let page = JoinPage {
                chrome: Chrome::outside(assets::build(), look),
                token: &secret,
                inviter: inviter.as_deref(),
                name: &new.name,
                error: Some(&sentence),
            };
            show_as(status, &page)
        }
    }
}

async fn inviter(site: &Site, secret: &str) -> Answer<Option<String>> {
    match site.chat.inviter(secret).await {
        Ok(person) => Ok(person.map(|person| person.name)),
        Err(ChatError::NotFound) => Err(no_invite()),
        Err(error) => Err(error.into()),
    }
}

fn no_invite() -> Trouble {
    Trouble::new(
        StatusCode::NOT_FOUND,
        "no_invite",
        "This invitation is not good any more: it was used up, has expired or was revoked. Ask for a new link.",
    )
}

#[derive(Debug, Default, Deserialize)]
pub struct Done {
    done: Option<String>,
}

pub async fn account_page(State(site): State<Site>, SignedIn(caller): SignedIn, Asked(asked): Asked<Done>) -> Answer<Response> {
    let notice = match asked.done.as_deref() {
        Some("password") => Some(caller.look.w.password_changed()),
        Some("session") => Some(caller.look.w.signed_out_there()),
        Some("token") => Some(caller.look.w.token_revoked()),
        _ => None,
    };
    account(&site, &SignedIn(caller), StatusCode::OK, None, notice).await
}

async fn account(
    site: &Site,
    SignedIn(caller): &SignedIn,
    status: StatusCode,
    error: Option<&str>,
    notice: Option<&str>,
) -> Answer<Response> {
    let around = Around::read(site, caller).await?;
    let mut sessions: Vec<SessionRow> = site
        .chat
        .sessions(caller.id())
        .await?
        .into_iter()
        .map(|s| SessionRow {
            device: device(&s.agent, caller.look.w),
            since: s.created_at,
            last_seen: s.seen_at,
            current: s.id == caller.credential,
            id: s.id,
        })
        .collect();
    sessions.sort_by_key(|row| !row.current);
    let tokens: Vec<TokenRow> = site
        .chat
        .tokens(Some(caller.id()))
        .await?
        .into_iter()
        .filter(|token| !token.revoked)
        .map(|token| TokenRow { id: token.id, created_at: token.created_at, last_used: token.used_at })
        .collect();
    show_as(status, &AccountPage { chrome: around.chrome(None), sessions: &sessions, tokens: &tokens, error, notice })
}

/// A browser's description of itself in three words.
fn device(agent: &str, w: Words) -> String {
    let has = |word: &str| agent.contains(word);
    let browser =
        [("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl")];
    let system =
        [("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "Mac"), ("Linux", "Linux")];
    let browser = browser.iter().find(|(mark, _)| has(mark)).map_or(w.some_browser(), |(_, name)| name);
    match system.iter().find(|(mark, _)| has(mark)) {
        Some((_, system)) => w.device_on(browser, system),
        None => browser.to_owned(),
    }
}

#[derive(Debug, Deserialize)]
pub struct NewPassword {
    current: String,
    new: String,
}

pub async fn change_password(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    client: Client,
    Fields(form): Fields<NewPassword>,
) -> Answer<Response> {
    match site.chat.change_password(caller.id(), form.current, &form.new, caller.credential.clone(), client.address).await {
        Ok(()) => Ok(Redirect::to("/account?done=password").into_response()),
        Err(error) => {
            let (status, sentence) = form_error(error.into())?;
            account(&site, &SignedIn(caller), status, Some(&sentence), None).await
        }
    }
}

pub async fn end_session(State(site): State<Site>, SignedIn(caller): SignedIn, Ids(id): Ids<String>) -> Answer<Redirect> {
    site.chat.end_session(caller.id(), id).await?;
    Ok(Redirect::to("/account?done=session"))
}

pub async fn revoke_token(State(site): State<Site>, SignedIn(caller): SignedIn, Ids(id): Ids<TokenId>) -> Answer<Redirect> {
    site.chat.revoke_token(Some(caller.id()), id).await?;
    Ok(Redirect::to("/account?done=token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_paths_are_gone_on_to() {
        assert_eq!(safe_path(Some("/rooms/1?before=2")), "/rooms/1?before=2");
        for evil in ["//evil.example", "https://evil.example", "/\\evil.example", "", "rooms", "/\t/evil.example"] {
            assert_eq!(safe_path(Some(evil)), "/", "{evil}");
        }
    }

    #[test]
    fn devices_have_short_names() {
        assert_eq!(
            device("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36", Words::default()),
            "Chrome on Linux"
        );
        assert_eq!(device("something else", Words::default()), "A browser");
    }
}
