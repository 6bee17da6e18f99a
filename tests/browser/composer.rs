//! What is typed anywhere: Enter, input methods, what is completed, commands, drafts, files, reactions.

use reqwest::Method;
use serde_json::{Value, json};

use crate::stage::play;
use crate::support::{encoded, new_id};
use crate::tab::{Key, Tab};

/// The list that completes what is written, while it is open.
const OFFERS: &str =
    "[...document.querySelectorAll('.picker:not([hidden]) > li')].map((line) => line.querySelector('.picker-label').textContent)";

impl Tab {
    async fn offers(&self) -> Vec<String> {
        let all = self.asks(OFFERS, &[]).await;
        all.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    async fn is_offered(&self, first: &str) {
        self.waits(&format!("{first} is offered first"), &format!("{OFFERS}[0] === arguments[0]"), &[json!(first)]).await;
    }

    async fn is_offered_nothing(&self) {
        self.waits("no list", "!document.querySelector('.picker:not([hidden])')", &[]).await;
    }

    /// Types where the focus is.
    async fn adds(&self, text: &str) {
        self.browser.devtools(&self.window, "Input.insertText", json!({ "text": text })).await;
    }

    /// Begins or goes on composing with an input method; the text is not in the field for good yet.
    async fn composes(&self, text: &str) {
        let end = text.encode_utf16().count();
        let how = json!({ "text": text, "selectionStart": end, "selectionEnd": end });
        self.browser.devtools(&self.window, "Input.imeSetComposition", how).await;
    }

    /// A key while a word is composed. Where it would write something itself only the key is told: an input method keeps what it would write.
    async fn presses_while_composing(&self, name: &str, number: u16) {
        let writes = name == "Enter" && self.asks("document.activeElement.matches('input')", &[]).await == true;
        let kind = if writes { "keyDown" } else { "rawKeyDown" };
        let text = if writes { "\r" } else { "" };
        let event = json!({ "type": kind, "key": name, "code": name, "windowsVirtualKeyCode": number, "text": text });
        self.browser.devtools(&self.window, "Input.dispatchKeyEvent", event).await;
        let up = json!({ "type": "keyUp", "key": name, "code": name, "windowsVirtualKeyCode": number });
        self.browser.devtools(&self.window, "Input.dispatchKeyEvent", up).await;
    }

    async fn drafts(&self, text: &str) {
        self.waits(&format!("{text:?} in the composer"), "document.querySelector('#text').value === arguments[0]", &[json!(text)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_composer_grows_to_a_third_of_the_height_and_the_log_gives_way() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.types(&"line\n".repeat(60)).await;
        let grown = "(() => { const field = document.querySelector('#text'); const box = field.getBoundingClientRect(); \
                     return Math.abs(box.height - innerHeight / 3) < innerHeight / 50 && field.scrollHeight > field.clientHeight \
                         && document.querySelector('.composer').getBoundingClientRect().bottom <= innerHeight && document.documentElement.scrollHeight <= innerHeight; })()";
        ada.waits("a third, and it scrolls", grown, &[]).await;
        ada.becomes_a_phone().await;
        ada.waits("a third of the phone", grown, &[]).await;
        // A keyboard comes up: what is left is less, and the composer stands above it.
        ada.browser
            .devtools(&ada.window, "Emulation.setDeviceMetricsOverride", json!({ "width": 390, "height": 460, "deviceScaleFactor": 2, "mobile": true }))
            .await;
        ada.waits("above the keyboard", grown, &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enter_is_turned_around_for_this_device() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.reads("Enter sends · Shift+Enter breaks the line").await;
        ada.clicks_on(".enter-hint").await;
        ada.reads("Ctrl+Enter sends · Enter breaks the line").await;
        ada.reloads().await;
        ada.is_caught_up().await;
        ada.reads("Ctrl+Enter sends · Enter breaks the line").await;
        ada.types("One").await;
        ada.presses(Key::Enter).await;
        ada.adds("Two").await;
        ada.drafts("One\nTwo").await;
        ada.presses(Key::CtrlEnter).await;
        let id = ada.finds("Two").await.id;
        // The same where one edits.
        ada.waits("it is sent", "!document.querySelector('.pending')", &[]).await;
        ada.acts(&id, "edit").await;
        ada.waits("the form", "!!document.activeElement.closest('form.edit')", &[]).await;
        ada.reads("Ctrl+Enter saves").await;
        ada.presses(Key::Enter).await;
        ada.adds("Three").await;
        assert_eq!(ada.asks("document.activeElement.value", &[]).await, "One\nTwo\nThree");
        ada.presses(Key::CtrlEnter).await;
        ada.reads_in(&id, "Three").await;
        assert_eq!(person.message(&room.id, &id).await["text"], "One\nTwo\nThree");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_completed_by_keyboard_and_by_mouse() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        stage.assistant("Echo", &room.id, "mention").await;
        for name in ["Bob Stone", "王小明"] {
            stage.person(name).await.joins(&room.id).await;
        }
        let bert = stage.person("Bert").await;
        bert.joins(&room.id).await;
        let ada = stage.in_room("Ada", &room).await;
        ada.types("问@").await;
        ada.is_offered("Echo").await;
        let all = ada.offers().await;
        assert!(all.len() == 5 && !all.contains(&"Ada".to_owned()), "all but oneself: {all:?}");
        // A combobox whose list says what is chosen, inside the window, with nothing moved.
        let told = "(() => { const field = document.querySelector('#text'); const one = document.getElementById(field.getAttribute('aria-activedescendant')); const list = document.getElementById(field.getAttribute('aria-controls')); \
             const box = list.getBoundingClientRect(); return field.role === 'combobox' && field.ariaExpanded === 'true' && one.ariaSelected === 'true' && one.role === 'option' && one.parentElement === list && list.role === 'listbox' \
             && box.top >= 0 && box.left >= 0 && box.right <= innerWidth && box.bottom <= field.getBoundingClientRect().top && one.querySelector('.picker-label').textContent; })()";
        assert_eq!(ada.asks(told, &[]).await, "Echo");
        ada.adds("b").await;
        ada.is_offered("Bert").await;
        ada.presses(Key::Down).await;
        assert_eq!(ada.asks(told, &[]).await, "Bob Stone");
        ada.presses(Key::Tab).await;
        ada.drafts("问@Bob Stone ").await;
        ada.is_offered_nothing().await;
        assert!(ada.asks("document.querySelector('#text').role", &[]).await.is_null());

        // Escape closes the list, and nothing else: the reply stays one, and the next letters do not bring the list back.
        let id = bert.says(&room.id, "Hello").await;
        ada.finds("Hello").await;
        ada.acts(&id, "reply").await;
        ada.adds("＠").await;
        // Who has just spoken comes first.
        ada.is_offered("Bert").await;
        ada.presses(Key::Escape).await;
        ada.is_offered_nothing().await;
        ada.adds("x").await;
        ada.is_offered_nothing().await;
        ada.waits("still a reply", "!document.querySelector('.replying').hidden", &[]).await;

        // In the middle of a text, by mouse, without a second space; in Chinese by any part of a name.
        ada.does("const field = document.querySelector('#text'); field.value = 'and @小 there'; field.setSelectionRange(6, 6); field.dispatchEvent(new InputEvent('input', { bubbles: true }))", &[]).await;
        ada.is_offered("王小明").await;
        ada.clicks_on(".picker > li").await;
        ada.drafts("and @王小明 there").await;
        assert_eq!(ada.asks("[document.querySelector('#text').selectionStart, document.activeElement.id]", &[]).await, json!([9, "text"]));
        // Not in code, and a word that goes on is an address.
        for text in ["`@", "mail ada@"] {
            ada.does("const field = document.querySelector('#text'); field.value = ''", &[]).await;
            ada.types(text).await;
            ada.is_offered_nothing().await;
        }
        // Where one edits, too: Enter takes the name, and the next one saves.
        let own = person.says(&room.id, "Dear").await;
        ada.finds(&own).await;
        ada.acts(&own, "edit").await;
        ada.waits("the form", "!!document.activeElement.closest('form.edit')", &[]).await;
        ada.adds(" @bo").await;
        ada.is_offered("Bob Stone").await;
        ada.presses(Key::Enter).await;
        ada.waits("the name in the form", "document.querySelector('form.edit textarea').value === 'Dear @Bob Stone '", &[]).await;
        ada.presses(Key::Enter).await;
        ada.waits("it is saved", "!document.querySelector('form.edit')", &[]).await;
        assert_eq!(person.message(&room.id, &own).await["text"], "Dear @Bob Stone ");

        // Who joins can be named at once.
        stage.person("Zoe").await.joins(&room.id).await;
        ada.does("document.querySelector('#text').value = ''", &[]).await;
        ada.waits("she is known", "document.querySelector('chat-composer').everybody.some((one) => one.name === 'Zoe')", &[]).await;
        ada.types("@zo").await;
        ada.is_offered("Zoe").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn emoji_are_completed_and_those_used_come_first() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ada = stage.in_room("Ada", &room).await;
        ada.types("At 10:30 :tad").await;
        ada.is_offered(":tada:").await;
        ada.presses(Key::Enter).await;
        ada.drafts("At 10:30 🎉").await;
        ada.adds(" :he").await;
        ada.waits("hearts and more", &format!("{OFFERS}.length > 5"), &[]).await;
        let usual = ada.offers().await;
        let last = usual.last().unwrap().clone();
        for _ in 1..usual.len() {
            ada.presses(Key::Down).await;
        }
        ada.presses(Key::Enter).await;
        ada.adds(" :he").await;
        ada.is_offered(&last).await;
        ada.presses(Key::Escape).await;
        ada.presses(Key::Enter).await;
        ada.finds("At 10:30 🎉").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_offered_done_and_answered_to_their_writer_alone() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.browser.forgive(&["422", "403"]);
        bob.browser.forgive(&["422", "403"]);
        ada.types("/").await;
        ada.is_offered("/ask").await;
        assert_eq!(ada.offers().await.len(), 9);
        ada.reads("shows the topic, or sets it").await;
        ada.adds("to").await;
        ada.is_offered("/topic").await;
        ada.presses(Key::Enter).await;
        ada.drafts("/topic ").await;
        ada.adds("What we cook").await;
        ada.presses(Key::Enter).await;
        bob.waits("the topic", "document.querySelector('.room-topic').textContent === 'What we cook'", &[]).await;
        ada.drafts("").await;

        bob.types_and_sends("/topic").await;
        bob.waits("the answer", "document.querySelector('.composer-notice [role=status]').innerText === 'The topic: What we cook'", &[])
            .await;
        bob.clicks("Dismiss").await;
        bob.waits("it is gone", "document.querySelector('.composer-notice').hidden && document.activeElement.id === 'text'", &[]).await;

        // What cannot be done keeps the text, and says what there is.
        bob.types_and_sends("/topic Mine").await;
        bob.reads("Only an owner of the room may do that.").await;
        assert_eq!(bob.draft().await, "/topic Mine");
        bob.does("document.querySelector('#text').value = ''", &[]).await;
        bob.types_and_sends("/shrug").await;
        bob.reads("There is no command /shrug.").await;
        assert_eq!(bob.draft().await, "/shrug");
        bob.does("document.querySelector('#text').value = ''", &[]).await;
        bob.types_and_sends("//shrug").await;
        ada.sees("/shrug").await;
        bob.types_and_sends("/etc/hosts").await;
        ada.sees("/etc/hosts").await;
        bob.types_and_sends("/me waves").await;
        ada.waits("in italics", "document.querySelector('.message:last-child em')?.textContent === 'waves'", &[]).await;
        assert_eq!(person.messages(&room.id).await.len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_take_no_keys_of_an_input_method() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        stage.person("李雷").await.joins(&room.id).await;
        stage.person("韩梅梅").await.joins(&room.id).await;
        let ada = stage.in_room("Ada", &room).await;
        ada.types("@").await;
        ada.is_offered("Parlor").await;
        ada.composes("li").await;
        ada.drafts("@li").await;
        // Down and Enter choose among the input method's own words.
        for (key, number) in [("ArrowDown", 229), ("Enter", 229), ("Escape", 229), ("Tab", 229), ("Enter", 13)] {
            ada.presses_while_composing(key, number).await;
        }
        assert_eq!(ada.draft().await, "@li");
        assert_eq!(ada.asks("document.activeElement.id", &[]).await, "text");
        ada.adds("李").await;
        ada.drafts("@李").await;
        ada.is_offered("李雷").await;
        ada.presses(Key::Escape).await;
        // The draft holds what was composed, also over a reload.
        ada.reloads().await;
        ada.is_caught_up().await;
        ada.drafts("@李").await;
        assert!(person.messages(&room.id).await.is_empty(), "nothing was sent");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_field_anywhere_takes_the_enter_of_an_input_method() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let id = person.says(&room.id, "Hello").await;
        let other = person.says(&room.id, "World").await;
        let ada = stage.browser("Ada").await;
        let fields = "[...document.querySelectorAll(window.panel ? '.react input' : 'input, textarea')].filter((field) => field.checkVisibility() && !field.readOnly && !field.disabled && !['hidden', 'checkbox', 'radio', 'file', 'range', 'submit'].includes(field.type))";
        let mut tried = 0;
        let mut signed_in = false;
        let inside = ["/rooms", "/account", "/people"].map(str::to_owned);
        let of_room = [String::new(), "?panel".to_owned(), "/settings".to_owned(), format!("/messages/{id}")].map(|path| format!("/rooms/{}{path}", room.id));
        for path in std::iter::once("/sign-in".to_owned()).chain(inside).chain(of_room) {
            if path != "/sign-in" && !signed_in {
                ada.signs_in("Ada", crate::stage::PASSWORD).await;
                signed_in = true;
            }
            ada.goes(&path).await;
            ada.waits("the page's script", "document.readyState === 'complete' && (!document.querySelector('chat-room') || document.documentElement.dataset.live === 'caught-up')", &[]).await;
            if path.ends_with(&room.id) {
                ada.acts(&id, "edit").await;
                ada.waits("the form", "!!document.activeElement.closest('form.edit')", &[]).await;
            } else if path.ends_with("?panel") {
                // It goes when another field is entered.
                ada.acts(&other, "react").await;
                ada.waits("the panel", "document.activeElement.matches('.react input')", &[]).await;
                ada.does("window.panel = true", &[]).await;
            }
            let count = ada.asks(&format!("{fields}.length"), &[]).await.as_u64().unwrap();
            assert!(count > 0, "{path} has fields");
            ada.does("window.submitted = 0; document.addEventListener('submit', (event) => { window.submitted += 1; event.preventDefault(); }, true); document.addEventListener('keydown', (event) => { window.composed = event.isComposing; }, true)", &[]).await;
            for number in 0..count {
                let named = ada.asks(&format!("(() => {{ const field = {fields}[arguments[0]]; field.focus(); field.value = ''; return field.name || field.id || field.className; }})()"), &[json!(number)]).await;
                if ada.asks("document.activeElement.type === 'number' || document.activeElement.type === 'password'", &[]).await == true {
                    // Nothing can be composed there.
                    continue;
                }
                ada.composes("ni hao").await;
                ada.waits(&format!("a word is composed in {named} of {path}"), "document.activeElement.value === 'ni hao'", &[]).await;
                for (key, number) in [("Enter", 13), ("Escape", 27)] {
                    ada.presses_while_composing(key, number).await;
                }
                let left = ada.asks("[document.activeElement.value, window.submitted, document.querySelectorAll('.pending').length, window.composed]", &[]).await;
                assert_eq!(left, json!(["ni hao", 0, 0, true]), "{named} of {path}");
                ada.adds("你好").await;
                ada.waits("what was composed", "document.activeElement.value === '你好'", &[]).await;
                // Safari tells of the Enter just after the composition, and says nothing else of it.
                let late = "const field = document.activeElement; field.dispatchEvent(new CompositionEvent('compositionend', { bubbles: true, data: '你好' })); \
                            const late = new KeyboardEvent('keydown', { key: 'Enter', keyCode: 13, bubbles: true, cancelable: true }); field.dispatchEvent(late); \
                            window.late = [field.value, window.submitted, field.matches('textarea') || late.defaultPrevented]";
                ada.does(late, &[]).await;
                assert_eq!(ada.asks("window.late", &[]).await, json!(["你好", 0, true]), "{named} of {path}");
                tried += 1;
                ada.does("document.activeElement.value = ''; document.activeElement.dispatchEvent(new InputEvent('input', { bubbles: true }))", &[]).await;
            }
        }
        assert!(tried >= 8, "only {tried} fields were found");
        assert_eq!(person.messages(&room.id).await.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_share_one_draft_and_neither_loses_its_own() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let other = stage.room(&person, "Hall").await;
        let id = person.says(&room.id, "Shall we?").await;
        let left = stage.in_room("Ada", &room).await;
        let right = stage.another_tab(&left).await;
        right.opens(&room.id).await;
        left.acts(&id, "reply").await;
        left.types("half").await;
        right.drafts("half").await;
        right.waits("the reply too", "!document.querySelector('.replying').hidden && document.querySelector('.replying-excerpt').textContent === 'Shall we?'", &[]).await;
        right.types(" and half").await;
        left.drafts("half and half").await;
        // Another room has its own, and a reload keeps both.
        right.opens(&other.id).await;
        right.drafts("").await;
        right.types("elsewhere").await;
        left.reloads().await;
        left.is_caught_up().await;
        left.drafts("half and half").await;
        left.waits("still a reply", "!document.querySelector('.replying').hidden", &[]).await;
        right.opens(&room.id).await;
        right.drafts("half and half").await;
        // What one sends is gone from the other one.
        left.does("document.querySelector('#text').focus()", &[]).await;
        left.presses(Key::Enter).await;
        right.drafts("").await;
        right.sees("half and half").await;
        right.waits("no reply", "document.querySelector('.replying').hidden", &[]).await;
        right.opens(&other.id).await;
        right.drafts("elsewhere").await;
        // A tab in which something else stands keeps that.
        left.opens(&other.id).await;
        left.does("document.querySelector('#text').value = 'not yet kept'", &[]).await;
        right.types("!").await;
        right.drafts("elsewhere!").await;
        left.waits("the other's was heard of", "JSON.parse(localStorage.getItem(Object.keys(localStorage).find((key) => key.startsWith('parlor.draft.')))).text === 'elsewhere!'", &[]).await;
        assert_eq!(left.draft().await, "not yet kept");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_says_so_and_what_is_refused_is_read_out() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let ada = stage.in_room_by_cable("Ada", &room).await;
        ada.browser.forgive(&["net::ERR_", "422", "413"]);
        ada.goes_offline().await;
        ada.types_and_sends("Written offline").await;
        ada.waits("it waits", "document.querySelector('.message.pending .at')?.textContent === 'waiting for the network…'", &[]).await;
        ada.comes_online().await;
        ada.waits("it is sent", "!document.querySelector('.pending')", &[]).await;
        ada.types_and_sends(&"A long story. ".repeat(5_000)).await;
        ada.waits(
            "it is said",
            "document.querySelector('chat-room > [role=status]').textContent.startsWith('not sent: The message is')",
            &[],
        )
        .await;
        let offered = "[...document.querySelectorAll('.message.refused .state button')].map((button) => button.textContent).join()";
        assert_eq!(ada.asks(offered, &[]).await, "Retry,Discard");
        assert_eq!(person.messages(&room.id).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_come_and_go_under_a_message() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let id = person.says(&room.id, "Soup?").await;
        let (ada, bob) = stage.both_in(&room).await;
        ada.acts(&id, "react").await;
        ada.waits(
            "the panel",
            "document.activeElement.matches('.react input') && document.querySelectorAll('.react-row > button').length === 5",
            &[],
        )
        .await;
        ada.adds("tad").await;
        ada.is_offered(":tada:").await;
        ada.presses(Key::Enter).await;
        ada.waits("no panel", "!document.querySelector('.react')", &[]).await;
        let under = |text: &str, pressed: &str| {
            format!(
                "[...document.querySelectorAll('.reaction')].some((one) => one.textContent === '{text}' && one.ariaPressed === '{pressed}')"
            )
        };
        ada.waits("hers", &under("🎉 1", "true"), &[]).await;
        bob.waits("hers at his", &under("🎉 1", "false"), &[]).await;
        assert_eq!(bob.asks("document.querySelector('.reaction').ariaLabel", &[]).await, "🎉 1: Ada");
        bob.clicks_on(".reaction").await;
        ada.waits("both", &under("🎉 2", "true"), &[]).await;
        ada.clicks_on(".reaction").await;
        ada.waits("his", &under("🎉 1", "false"), &[]).await;
        // What was used lately comes first; a reload shows the same.
        bob.waits("his own is pressed", &under("🎉 1", "true"), &[]).await;
        bob.shows_what_a_reload_shows().await;
        ada.acts(&id, "react").await;
        assert_eq!(ada.asks("document.querySelector('.react-row > button').textContent", &[]).await, "🎉");
        ada.presses(Key::Escape).await;
        ada.waits("no panel", "!document.querySelector('.react')", &[]).await;
        // An edit that was begun before somebody reacted is saved all the same.
        ada.browser.forgive(&["409"]);
        ada.acts(&id, "edit").await;
        ada.waits("the form", "!!document.activeElement.closest('form.edit')", &[]).await;
        bob.clicks_on(".reaction").await;
        ada.waits("nothing is left", "!document.querySelector('.reaction')", &[]).await;
        ada.adds(" Or bread?").await;
        ada.presses(Key::Enter).await;
        bob.sees("Soup? Or bread?").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reacts_and_commands_without_script() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let id = person.says(&room.id, "Soup?").await;
        let bob = stage.person("Bob").await;
        bob.joins(&room.id).await;
        let bob = stage.browser_without_script("Bob").await;
        bob.signs_in("Bob", crate::stage::PASSWORD).await;
        bob.goes(&format!("/rooms/{}/messages/{id}", room.id)).await;
        bob.clicks("👍").await;
        bob.is_at(&format!("/rooms/{}", room.id)).await;
        bob.waits("his reaction", "document.querySelector('.reaction')?.textContent.trim() === '👍 1'", &[]).await;
        bob.clicks_on(".reaction").await;
        bob.waits("it is taken back", "!document.querySelector('.reaction')", &[]).await;
        bob.types("/topic").await;
        bob.clicks("Send").await;
        bob.reads("This room has no topic yet.").await;
        bob.waits("files can be chosen", "document.querySelector('input[type=file]').checkVisibility({ opacityProperty: true })", &[])
            .await;
    })
    .await;
}

/// A picture and a note, as a paste or a drop brings them.
const BRINGS: &str = "const brings = (names, text) => { const data = new DataTransfer(); \
     const png = Uint8Array.from(atob('iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEUlEQVR42mNgaGjAh0alsSEAXrpkAQMd0XwAAAAASUVORK5CYII='), (c) => c.charCodeAt(0)); \
     for (const name of names) data.items.add(new File([name.endsWith('.png') ? png : 'A note.'], name, { type: name.endsWith('.png') ? 'image/png' : 'text/plain' })); \
     if (text) data.setData('text/plain', text); return data; }; \
     const field = document.querySelector('#text');";

#[tokio::test(flavor = "multi_thread")]
async fn files_are_pasted_dropped_kept_and_sent() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let (ada, bob) = stage.both_in(&room).await;
        let uploaded = |count: usize| format!("document.querySelector('chat-composer').files.files.length === {count} && document.querySelectorAll('.file-chip').length === {count}");
        // What was copied as text with a picture of itself is text.
        let paste = |names: &str, text: &str| format!("{BRINGS} field.dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: brings({names}, '{text}'), bubbles: true, cancelable: true }}))");
        ada.does(&paste("['table.png']", "1 2"), &[]).await;
        assert_eq!(ada.asks("document.querySelectorAll('.file-chip').length", &[]).await, 0);
        ada.does(&paste("['soup.png']", ""), &[]).await;
        ada.waits("the picture", &uploaded(1), &[]).await;
        ada.waits("seen before it is sent", "document.querySelector('.file-chip img').naturalWidth === 10", &[]).await;
        // The whole room takes what is dropped, and says so.
        let drop = format!("{BRINGS} const data = brings(['note.txt', 'gone.txt']); const at = document.querySelector('.log'); at.dispatchEvent(new DragEvent('dragover', {{ dataTransfer: data, bubbles: true, cancelable: true }})); \
             window.said = document.querySelector('.drop-here').checkVisibility(); at.dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, bubbles: true, cancelable: true }}))");
        ada.does(&drop, &[]).await;
        assert_eq!(ada.asks("window.said && !document.querySelector('.drop-here').checkVisibility()", &[]).await, true);
        ada.waits("all three", &uploaded(3), &[]).await;
        ada.clicks("Remove gone.txt").await;
        ada.waits("two are left", &uploaded(2), &[]).await;
        // They are kept with the draft.
        ada.reloads().await;
        ada.is_caught_up().await;
        ada.waits("both again", &uploaded(2), &[]).await;
        ada.waits("the picture again", "document.querySelector('.file-chip img').naturalWidth === 10", &[]).await;
        ada.does("document.querySelector('#text').focus()", &[]).await;
        ada.presses(Key::Enter).await;
        bob.waits("the picture in the room", "document.querySelector('.message img')?.naturalWidth > 0", &[]).await;
        ada.waits("nothing is left", &uploaded(0), &[]).await;
        // What is sent while a file is on its way waits for it.
        let at_once = format!("{BRINGS} field.value = 'With a note'; document.querySelector('chat-composer').files.add(brings(['late.txt']).files); field.form.requestSubmit(); window.waiting = field.value");
        ada.does(&at_once, &[]).await;
        assert_eq!(ada.asks("window.waiting", &[]).await, "With a note");
        bob.finds("With a note").await;
        ada.drafts("").await;
        let sent = person.messages(&room.id).await;
        let names: Vec<Vec<&str>> = sent.iter().map(|m| m["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect()).collect();
        assert_eq!(names, [vec!["soup.png", "note.txt"], vec!["late.txt"]]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_message_carries_is_no_wider_than_its_text() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let mut files = Vec::new();
        for (name, bytes) in [
            ("The_complete_book_of_risotto_with_all_its_relatives_from_Piedmont_to_Venetia.pdf", "%PDF-1.7".into()),
            ("wide.png", picture(1600, 200)),
        ] {
            let path = format!("/api/rooms/{}/files?{}", room.id, encoded(&[("name", name)]));
            files.push(person.send(person.request(Method::POST, &path).body::<Vec<u8>>(bytes)).await.ok()["id"].clone());
        }
        person.tries_to_post(&room.id, json!({ "id": new_id(), "text": "Both", "files": files })).await.ok();
        let ada = stage.in_room("Ada", &room).await;
        let ends =
            "[...document.querySelectorAll('.message :is(.body, .file, .picture img)')].map((part) => part.getBoundingClientRect().right)";
        for width in [1280, 390, 320] {
            let screen = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500 });
            ada.browser.devtools(&ada.window, "Emulation.setDeviceMetricsOverride", screen).await;
            ada.waits("the picture", "document.querySelector('.picture img')?.naturalWidth > 0", &[]).await;
            let ends = ada.asks(ends, &[]).await;
            let ends: Vec<f64> = ends.as_array().unwrap().iter().map(|end| end.as_f64().unwrap()).collect();
            assert_eq!(ends.len(), 3);
            assert!(ends.iter().all(|end| *end <= ends[0] + 0.5), "{ends:?} on a screen {width} wide");
        }
    })
    .await;
}

/// A picture of one colour, as PNG.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_luma8(width, height).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Keeps files from being sent until `letGo` is called.
const HOLDS: &str = "const send = XMLHttpRequest.prototype.send; window.held = []; \
     XMLHttpRequest.prototype.send = function (body) { held.push(() => send.call(this, body)); }; \
     window.letGo = () => { for (const one of held.splice(0)) one(); };";

#[tokio::test(flavor = "multi_thread")]
async fn files_go_on_when_their_room_is_left_and_so_does_the_message_that_waits_for_them() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let kitchen = stage.room(&person, "Kitchen").await;
        let garden = stage.room(&person, "Garden").await;
        let ada = stage.in_room("Ada", &kitchen).await;
        ada.does(HOLDS, &[]).await;
        let goes = async |room: &str| {
            ada.clicks_on(&format!(".side-item[data-room=\"{room}\"] > a")).await;
            ada.waits("the room", "document.querySelector('chat-room')?.dataset.room === arguments[0]", &[json!(room)]).await;
            ada.is_caught_up().await;
        };
        let sends = async |text: &str, file: &str| {
            let send = format!(
                "{BRINGS} field.value = '{text}'; field.dispatchEvent(new InputEvent('input', {{ bubbles: true }})); \
                 document.querySelector('chat-composer').files.add(brings(['{file}']).files); field.form.requestSubmit()"
            );
            ada.does(&send, &[]).await;
        };
        // Whoever comes back finds it still waiting, and it is sent whole.
        sends("With the first", "first.txt").await;
        goes(&garden.id).await;
        goes(&kitchen.id).await;
        assert_eq!(ada.asks("document.querySelectorAll('.file-chip progress:not([hidden])').length", &[]).await, 1);
        ada.does("document.querySelector('#text').form.requestSubmit()", &[]).await;
        ada.does("letGo()", &[]).await;
        ada.finds("With the first").await;
        ada.drafts("").await;
        // Whoever does not come back has sent it nonetheless.
        sends("With the second", "second.txt").await;
        goes(&garden.id).await;
        ada.does("letGo()", &[]).await;
        let left = "Object.keys(localStorage).some((key) => /^parlor\\.(draft|outbox)\\./.test(key))";
        ada.waits("nothing that waits", &format!("!{left}"), &[]).await;
        goes(&kitchen.id).await;
        ada.finds("With the second").await;
        let sent = person.messages(&kitchen.id).await;
        let names: Vec<Vec<&str>> =
            sent.iter().map(|m| m["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect()).collect();
        assert_eq!(names, [vec!["first.txt"], vec!["second.txt"]]);
    })
    .await;
}
