//! For administrators: who has an account, and who may get one.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::Site;
use super::client::Client;
use super::error::{Answer, Trouble};
use super::extract::{Asked, Caller, Fields, Ids, SignedIn};
use super::page::{Around, form_error, show_as};
use crate::domain::Invalid;
use crate::domain::id::{InviteId, PersonId};
use crate::view::{InviteRow, PeoplePage};

/// What the form for a new invitation holds at first.
const USES: &str = "1";
const DAYS: &str = "7";

#[derive(Debug, Default, Deserialize)]
pub struct Done {
    done: Option<String>,
}

pub async fn page(State(site): State<Site>, SignedIn(caller): SignedIn, Asked(asked): Asked<Done>) -> Answer<Response> {
    let notice = match asked.done.as_deref() {
        Some("revoked") => Some(caller.look.w.invitation_revoked()),
        Some("disabled") => Some(caller.look.w.account_disabled()),
        Some("enabled") => Some(caller.look.w.account_enabled()),
        _ => None,
    };
    show(&site, &caller, StatusCode::OK, Said { notice, ..Said::default() }).await
}

/// What the page says besides what there is.
struct Said<'a> {
    new_link: Option<&'a str>,
    uses: &'a str,
    days: &'a str,
    error: Option<&'a str>,
    notice: Option<&'a str>,
}

impl Default for Said<'_> {
    fn default() -> Self {
        Self { new_link: None, uses: USES, days: DAYS, error: None, notice: None }
    }
}

async fn show(site: &Site, caller: &Caller, status: StatusCode, said: Said<'_>) -> Answer<Response> {
    if !caller.person.admin {
        return Err(Trouble::not_found());
    }
    let around = Around::read(site, caller).await?;
    let people = site.chat.people().await?;
    let now = site.chat.clock().now();
    let invites: Vec<InviteRow> = site
        .chat
        .invites()
        .await?
        .into_iter()
        .filter(|invite| invite.is_good(now))
        .map(|invite| InviteRow {
            id: invite.id,
            by: invite.created_by.and_then(|by| people.iter().find(|p| p.id == by)).map(|p| p.name.clone()),
            link: None,
            uses_left: invite.uses_left,
            expires_at: invite.expires_at,
        })
        .collect();
    let page = PeoplePage {
        chrome: around.chrome(None),
        people: &people,
        invites: &invites,
        new_link: said.new_link,
        uses: said.uses,
        days: said.days,
        error: said.error,
        notice: said.notice,
    };
    show_as(status, &page)
}

#[derive(Debug, Deserialize)]
pub struct NewInvite {
    uses: String,
    days: String,
}

/// Makes an invitation and shows its link, once: only a fingerprint of it is kept.
pub async fn add_invite(
    State(site): State<Site>,
    SignedIn(caller): SignedIn,
    client: Client,
    headers: HeaderMap,
    Fields(form): Fields<NewInvite>,
) -> Answer<Response> {
    let number =
        |text: &str, what: &str| text.trim().parse::<i64>().map_err(|_| Invalid::new("bad_number", format!("{what} must be a number.")));
    let made = match (number(&form.uses, "For how many people"), number(&form.days, "For how many days")) {
        (Ok(uses), Ok(days)) => site.chat.add_invite(Some(caller.id()), None, uses, days).await.map_err(Trouble::from),
        (Err(invalid), _) | (_, Err(invalid)) => Err(invalid.into()),
    };
    let (uses, days) = (form.uses.as_str(), form.days.as_str());
    match made {
        Ok((_, secret)) => {
            let link = format!("{}/invite/{secret}", origin(&site, client, &headers));
            show(&site, &caller, StatusCode::OK, Said { new_link: Some(&link), uses, days, ..Said::default() }).await
        }
        Err(trouble) => {
            let (status, sentence) = form_error(trouble)?;
            show(&site, &caller, status, Said { uses, days, error: Some(&sentence), ..Said::default() }).await
        }
    }
}

/// Where this site is reached, as its visitor sees it.
pub(super) fn origin(site: &Site, client: Client, headers: &HeaderMap) -> String {
    match &site.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => {
            let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("localhost");
            format!("{}://{host}", if client.secure { "https" } else { "http" })
        }
    }
}

pub async fn revoke_invite(State(site): State<Site>, SignedIn(caller): SignedIn, Ids(id): Ids<InviteId>) -> Answer<Redirect> {
    site.chat.revoke_invite(Some(caller.id()), id).await?;
    Ok(Redirect::to("/people?done=revoked"))
}

pub async fn disable(State(site): State<Site>, SignedIn(caller): SignedIn, Ids(id): Ids<PersonId>) -> Answer<Response> {
    set_disabled(&site, &caller, id, true, "/people?done=disabled").await
}

pub async fn enable(State(site): State<Site>, SignedIn(caller): SignedIn, Ids(id): Ids<PersonId>) -> Answer<Response> {
    set_disabled(&site, &caller, id, false, "/people?done=enabled").await
}

async fn set_disabled(site: &Site, caller: &Caller, id: PersonId, disabled: bool, to: &str) -> Answer<Response> {
    site.chat.set_disabled(caller.id(), id, disabled).await?;
    Ok(Redirect::to(to).into_response())
}
