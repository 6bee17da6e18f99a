//! What pages say. Entries take one of four shapes:
//!
//! ```text
//! name { "English" | "中文" }                                          words.name() → &str
//! name(a, b) { "{a} and {b}" | "{a}和{b}" }                            words.name(a, b) → String
//! name(n) { one "{n} thing" other "{n} things" | other "{n} 件" }      words.name(5) → String; the number is written as the language does
//! name(a) markup { "by {a}" | "由 {a}" }                               words.name(a) → Markup, with `a` escaped and isolated
//! ```
//!
//! A sentence is one entry as a whole, since another language puts its words in another order; where a link has to stand inside one, the
//! link is a sentence of its own.

use std::fmt::Display;

use super::{Count, Lang, Markup, Plural, isolated, number};

/// The words of one language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Lang);

macro_rules! catalogue {
    ($( $(#[$doc:meta])* $name:ident $(($($arg:ident),+))? $(= $kind:ident)? { $($form:tt)+ } )+) => {
        impl Words {
            $( catalogue!(@method [$(#[$doc])*] $name ($($($arg),+)?) [$($kind)?] $($form)+); )+
        }
    };
    (@method [$($doc:tt)*] $name:ident () [] $en:literal | $zh:literal) => {
        $($doc)*
        pub fn $name(self) -> &'static str {
            match self.0 {
                Lang::En => $en,
                Lang::Zh => $zh,
            }
        }
    };
    (@method [$($doc:tt)*] $name:ident ($($arg:ident),+) [] $en:literal | $zh:literal) => {
        $($doc)*
        pub fn $name(self, $($arg: impl Display),+) -> String {
            match self.0 {
                Lang::En => format!($en),
                Lang::Zh => format!($zh),
            }
        }
    };
    (@method [$($doc:tt)*] $name:ident ($($arg:ident),+) [markup] $en:literal | $zh:literal) => {
        $($doc)*
        pub fn $name(self, $($arg: impl Display),+) -> Markup {
            $( let $arg = isolated($arg); )+
            Markup(match self.0 {
                Lang::En => format!($en),
                Lang::Zh => format!($zh),
            })
        }
    };
    (@method [$($doc:tt)*] $name:ident ($n:ident $(, $arg:ident)*) [] one $one:literal other $other:literal | other $zh:literal) => {
        $($doc)*
        pub fn $name(self, $n: impl Count $(, $arg: impl Display)*) -> String {
            let plural = self.0.plural($n.whole());
            let $n = number($n);
            match (self.0, plural) {
                (Lang::En, Plural::One) => format!($one),
                (Lang::En, Plural::Other) => format!($other),
                (Lang::Zh, _) => format!($zh),
            }
        }
    };
}

catalogue! {
    // ---- around every page
    skip { "Skip to the content" | "跳到正文" }
    rooms { "Rooms" | "房间" }
    close_rooms { "Close the list of rooms" | "关闭房间列表" }
    is_private { "private" | "私密" }
    other_rooms { "New or other rooms" | "新建或加入房间" }
    people_and_invitations { "People and invitations" | "成员与邀请" }
    is_your_account { " (your account)" | "（你的账户）" }
    sign_out { "Sign out" | "退出登录" }
    language { "Language" | "语言" }
    appearance { "Appearance" | "外观" }
    theme_auto { "As the system" | "跟随系统" }
    theme_light { "Light" | "浅色" }
    theme_dark { "Dark" | "深色" }
    look { "Language and appearance" | "语言与外观" }
    look_hint { "Kept for this browser." | "仅对当前浏览器有效。" }
    favourites { "Favourites" | "收藏" }
    talks { "Direct talks" | "私聊" }
    find { "Find a room or a person" | "查找房间或成员" }
    keys_list { "Keyboard shortcuts" | "键盘快捷键" }
    unread_here(n) { one "{n} unread" other "{n} unread" | other "{n} 条未读" }
    has_mentions(n) { one "{n} mention" other "{n} mentions" | other "{n} 次提到你" }
    is_writing { "an assistant is writing" | "助手正在回答" }
    /// Between things that are said of one, and around them behind a name.
    comma { ", " | "，" }
    aside(said) { " ({said})" | "（{said}）" }
    favourite(name) { "Favourite: {name}" | "收藏 {name}" }
    notifications { "Notifications" | "通知" }
    sounds { "Sound" | "提示音" }
    tell_nothing { "Off" | "关闭" }
    tell_concerns { "Mentions and direct talks" | "提到我和私聊" }
    tell_all { "Everything" | "所有消息" }
    tell_refused { "The browser does not allow notifications for this site. Allow them in its settings, then choose again." | "浏览器不允许此网站发送通知。请在浏览器设置中允许，然后重新选择。" }
    talk_with(name) { "Talk with {name}" | "与 {name} 私聊" }
    talk { "Talk" | "私聊" }
    members_of(room) { "{room}: members" | "{room}：成员" }
    who_is_here { "Members" | "成员" }
    room_settings { "Settings" | "设置" }

    // ---- search
    search { "Search" | "搜索" }
    search_messages { "Search messages" | "搜索消息" }
    search_where { "Where" | "范围" }
    search_everywhere { "All rooms" | "所有房间" }
    search_hint { "Words in any order, “several words” as they stand, from:name for what somebody said." | "多个词不分先后；“引号”内按原样查找；“来自:名字”只找某人说过的话。" }
    search_nothing { "Nothing was found. Try fewer words, or another room." | "没有找到。请减少关键词，或换一个房间。" }
    search_found(n) { one "{n} message" other "{n} messages" | other "{n} 条消息" }
    search_more_than(n) { one "The newest {n}" other "The newest {n} messages" | other "最新的 {n} 条消息" }
    search_more { "More" | "更多" }
    close { "Close" | "关闭" }

    // ---- forms in front of the door
    welcome { "Welcome" | "欢迎" }
    first_account { "Make the first account. It looks after this Parlor: it invites people, opens rooms and chooses assistants." | "创建第一个账户。它负责管理这个 Parlor：邀请成员、开设房间、选择助手。" }
    your_name { "Your name" | "你的名字" }
    name { "Name" | "名称" }
    user_name { "Name" | "名字" }
    password { "Password" | "密码" }
    password_hint { "At least 8 characters; four words are good." | "至少 8 个字符，用几个词连起来就很好。" }
    make_account { "Make the account" | "创建账户" }
    sign_in { "Sign in" | "登录" }
    no_account { "No account yet? Ask someone here for an invitation link. Forgotten the password? The administrator can set a new one." | "还没有账户？请向这里的人要一个邀请链接。忘了密码？管理员可以为你重设。" }
    signed_out { "You are signed out." | "你已退出登录。" }
    invited { "You are invited" | "邀请你加入" }
    invited_by(name) = markup { "{name} invites you to talk here. Choose a name and a password." | "{name} 邀请你来这里聊天。请取一个名字并设置密码。" }
    invited_by_nobody { "You are invited to talk here. Choose a name and a password." | "你受邀来这里聊天。请取一个名字并设置密码。" }
    join { "Join" | "加入" }
    invitation_over { "This invitation is over" | "邀请已失效" }
    has_account { "You have an account already?" | "已经有账户了？" }

    // ---- one's own account
    your_account { "Your account" | "你的账户" }
    present_password { "The one you have" | "现在的密码" }
    new_password { "A new one" | "新密码" }
    new_password_hint { "At least 8 characters. Everywhere else you are signed out." | "至少 8 个字符。其他地方的登录会全部退出。" }
    change_password { "Change the password" | "修改密码" }
    password_changed { "The password is changed. Everywhere else you are signed out." | "密码已修改，其他地方的登录已全部退出。" }
    sessions { "Where you are signed in" | "登录的设备" }
    session_seen { "last seen" | "最近使用：" }
    session_since { "since" | "登录于：" }
    session_is_here { "here" | "当前设备" }
    sign_out_there { "Sign out there" | "退出该设备" }
    sign_out_there_of(device) { "Sign out there: {device}" | "退出该设备：{device}" }
    signed_out_there { "Signed out there." | "该设备已退出登录。" }
    device_on(browser, system) { "{browser} on {system}" | "{system} 上的 {browser}" }
    some_browser { "A browser" | "浏览器" }
    tokens { "Tokens for programs" | "程序用的令牌" }
    token_made { "made" | "创建于：" }
    token_used { "last used" | "最近使用：" }
    token_unused { "never used" | "从未使用" }
    revoke { "Revoke" | "撤销" }
    revoke_token(id) { "Revoke the token {id}" | "撤销令牌 {id}" }
    token_revoked { "The token is revoked." | "令牌已撤销。" }
    tokens_hint { "They are made on the command line:" | "在命令行中创建：" }
    sign_out_here { "Sign out here" | "退出当前设备" }

    // ---- people and invitations
    people { "People" | "成员" }
    link_ready { "The invitation is ready. Send this link to those you invite; it is shown only now." | "邀请已生成。把这个链接发给你邀请的人，它只显示这一次。" }
    invitation_link { "The invitation’s link" | "邀请链接" }
    invite { "Invite" | "邀请" }
    how_many_people { "For how many people" | "可邀请人数" }
    how_many_days { "For how many days" | "有效天数" }
    make_link { "Make a link" | "生成链接" }
    uses_left(n) { one "For {n} more person" other "For {n} more people" | other "还可邀请 {n} 人" }
    invited_by_command { "by the command line, until" | "在命令行中创建，有效期至" }
    invited_by_whom(name) = markup { "by {name}, until" | "由 {name} 创建，有效期至" }
    invitation_revoked { "The invitation is revoked." | "邀请已撤销。" }
    accounts { "Accounts" | "账户" }
    administrator { "administrator" | "管理员" }
    disabled { "disabled" | "已停用" }
    since_when { "since" | "加入于" }
    enable { "Enable" | "启用" }
    disable { "Disable" | "停用" }
    enable_whom(name) { "Enable {name}" | "启用 {name}" }
    disable_whom(name) { "Disable {name}" | "停用 {name}" }
    disabled_hint { "A disabled account cannot sign in, and its sessions end at once. What it wrote stays." | "停用的账户无法登录，已有的登录立即失效，写过的内容会保留。" }
    account_disabled { "The account is disabled and signed out everywhere." | "账户已停用，并在所有设备上退出登录。" }
    account_enabled { "The account may sign in again." | "账户可以重新登录了。" }

    // ---- the list of rooms
    your_rooms { "Your rooms" | "你的房间" }
    no_rooms { "You are in no room yet. Join an open one, or make one of your own below." | "你还没有加入任何房间。可以加入一个公开房间，或在下面新建一个。" }
    private { "private" | "私密" }
    open_rooms { "Open to join" | "可加入的房间" }
    join_room(name) { "Join {name}" | "加入 {name}" }
    new_room { "A new room" | "新建房间" }
    topic { "Topic" | "话题" }
    optional { "optional" | "可选" }
    private_label { "Private" | "私密" }
    private_hint { "Only members see it. An open room can be found and joined by everyone here." | "只有成员能看到。公开房间人人都能找到并加入。" }
    make_room { "Make the room" | "创建房间" }
    left { "You have left the room." | "你已离开房间。" }

    // ---- a room's settings
    settings_of(room) { "{room}: settings" | "{room}：设置" }
    back_to(room) = markup { "Back to {room}" | "返回{room}" }
    back_to_room { "Back to the room" | "返回房间" }
    name_and_topic { "Name and topic" | "名称和话题" }
    save { "Save" | "保存" }
    saved { "Saved." | "已保存。" }
    assistants { "Assistants" | "助手" }
    no_assistant { "No assistant is in this room." | "这个房间里没有助手。" }
    answers_always { "answers every message" | "回答每一条消息" }
    answers_when_mentioned { "answers when mentioned or replied to" | "被提到或被回复时回答" }
    only_when_mentioned { "Only when mentioned" | "仅在被提到时" }
    answer_everything { "Answer everything" | "回答所有消息" }
    remove { "Remove" | "移除" }
    remove_whom(name) { "Remove {name}" | "移除 {name}" }
    add_assistant { "Add an assistant" | "添加助手" }
    it_answers { "It answers" | "何时回答" }
    when_mentioned { "when mentioned" | "被提到时" }
    every_message { "every message" | "每条消息" }
    add { "Add" | "添加" }
    members { "Members" | "成员" }
    looks_after { "looks after this room" | "房间管理者" }
    add_someone { "Add someone" | "添加成员" }
    their_name { "Their name here" | "对方在这里的名字" }
    leave { "Leave" | "离开" }
    leave_private { "You can come back only when someone adds you again." | "离开后，只有别人再次添加你才能回来。" }
    leave_open { "You can join again at any time." | "你可以随时再次加入。" }
    leave_room { "Leave the room" | "离开房间" }
    caution_builtin { "Demo model, runs on this machine, English only, often wrong. Connect a provider for real answers." | "演示模型，在本机运行，只懂英文，常常出错。要得到真正的回答，请接入模型服务。" }
    caution_scripted { "Says what a script tells it to, for tests and development." | "按脚本说话，供测试和开发使用。" }

    // ---- a room
    members_and_settings { " (members and settings)" | "（成员与设置）" }
    /// Between the names of a list.
    list_comma { ", " | "、" }
    nobody_yet { "nobody yet" | "还没有人" }
    and_more(n, names) { one "{names} and {n} more" other "{names} and {n} more" | other "{names} 和另外 {n} 位" }
    messages { "Messages" | "消息" }
    older_messages { "Older messages" | "更早的消息" }
    newest_messages { "Newest messages" | "最新的消息" }
    nothing_yet { "Nothing here yet." | "这里还没有消息。" }
    say_hello { "Say hello." | "打个招呼吧。" }
    say_hello_to(name) = markup { "Say hello, or ask {name} something." | "打个招呼，或者问 {name} 一个问题。" }
    add_people { "Add people and assistants to talk with" | "添加一起聊天的成员和助手" }
    new_line { "New" | "新消息" }
    unread_since(count, since) { "{count} new since {since} · jump to first" | "{since} 以来有 {count} 条新消息 · 跳到第一条" }
    mark_read { "Mark all as read" | "全部标为已读" }
    jump_to_latest { "Jump to latest" | "跳到最新" }
    offline { "No connection. You can go on writing: it is sent as soon as you are back." | "网络已断开。可以继续写，恢复后会自动发送。" }
    reload_for_new { "New messages appear when you reload." | "重新加载后会显示新消息。" }
    reload { "Reload" | "重新加载" }
    replying_to { "Replying to" | "回复" }
    stop_replying { "Do not reply to this message" | "不再回复这条消息" }
    message_to(room) { "Message to {room}" | "发消息到 {room}" }
    send { "Send" | "发送" }
    sending { "sending…" | "正在发送…" }
    retry { "Retry" | "重试" }
    discard { "Discard" | "丢弃" }
    actions { "Actions" | "操作" }
    reply { "Reply" | "回复" }
    /// Names the box that unfolds long code in a message; bodies of messages refer to it.
    unfold_code { "Show all of the code" | "显示全部代码" }
    /// Below a long message that is shown in part, and the same unfolded.
    show_all { "Show all" | "显示全部" }
    show_less { "Show less" | "收起" }
    /// The same of code. The style sheet counts.
    show_all_lines(count) { "Show all {count} lines" | "显示全部 {count} 行" }
    /// Names the arrow behind a footnote.
    back_to_text { "back to the text" | "回到正文" }
    copy_text { "Copy the text" | "复制文字" }
    copy_link { "Copy the link" | "复制链接" }
    another_attempt { "Another attempt" | "再答一次" }
    edit { "Edit" | "编辑" }
    delete { "Delete" | "删除" }
    edit_message { "Edit the message" | "编辑消息" }
    cancel { "Cancel" | "取消" }
    edit_hint { "Enter saves, Esc cancels" | "回车保存，Esc 取消" }
    delete_question { "Delete this message?" | "删除这条消息？" }
    delete_text { "Its text is erased for everyone, also where it is quoted. This cannot be undone." | "所有人都将看不到它的内容，引用处也一样。此操作无法撤销。" }
    keep_it { "Keep it" | "保留" }

    // ---- a message
    quote_of(name) = markup { "to {name}" | "回复 {name}" }
    deleted_quote { "a deleted message" | "一条已删除的消息" }
    assistant { "assistant" | "助手" }
    edited { "edited" | "已编辑" }
    more_about { "More about this message" | "这条消息的更多操作" }
    more { "More" | "更多" }
    reasoning { "Reasoning" | "思考过程" }
    waiting { "waiting…" | "等待中…" }
    thinking { "thinking…" | "思考中…" }
    stop { "Stop" | "停止" }
    stopped { "Stopped." | "已停止。" }
    stopped_by(name) = markup { "Stopped by {name}." | "已由 {name} 停止。" }
    interrupted(why) { "Interrupted. {why}" | "已中断。{why}" }
    continue_it { "Continue" | "继续" }
    deleted { "This message was deleted." | "这条消息已删除。" }
    asked_by(name) = markup { "asked by {name}" | "{name} 提问" }
    attempt(n) { one "attempt {n}" other "attempt {n}" | other "第 {n} 次回答" }
    tokens_written(n) { one "{n} token" other "{n} tokens" | other "{n} 个词元" }
    tokens_a_second(n) { one "{n} token/s" other "{n} tokens/s" | other "{n} 词元/秒" }
    seconds(n) { "{n} s" | "{n} 秒" }
    minutes_seconds(m, s) { "{m} min {s} s" | "{m} 分 {s} 秒" }

    // ---- what an assistant saw
    saw_link { "what it saw" | "它看到了什么" }
    saw_title(name) { "What {name} saw" | "{name} 看到了什么" }
    saw_heading(name) = markup { "What {name} saw" | "{name} 看到了什么" }
    saw_attempts { "Attempts" | "各次回答" }
    saw_at_most(n) { one "at most {n} token" other "at most {n} tokens" | other "最多写 {n} 个词元" }
    saw_temperature(degree) { "temperature {degree}" | "温度 {degree}" }
    saw_estimate(used, budget) { "About {used} of the {budget} tokens that it may be given." | "约 {used} 个词元，上限 {budget} 个。" }
    saw_counted(n) { one " The model counted {n}." other " The model counted {n}." | other "模型实际计为 {n} 个。" }
    saw_exact { "This is everything that the model was given, to the letter, in this order." | "模型收到的全部内容如下，一字不差，顺序相同。" }
    saw_changed { "This is what the model was given, in this order. Where a text has changed or was deleted since, it says so." | "模型收到的内容如下，顺序相同。此后改动或删除过的文字都有注明。" }
    saw_names { "Others’ messages came with their author’s name in front; messages in a row came as one." | "别人的消息前面带有作者名字，相连的消息合为一条。" }
    saw_no_names { "Only one person was talking, so it was given no names; messages in a row came as one." | "只有一个人在说话，所以没有附上名字；相连的消息合为一条。" }
    saw_instructions { "Instructions" | "系统提示词" }
    saw_itself { "itself" | "它自己" }
    saw_left_out(n) { one "{n} earlier message did not fit" other "{n} earlier messages did not fit" | other "更早的 {n} 条消息放不下" }
    saw_left_out_many(n) { "More than {n} earlier messages did not fit" | "更早的 {n} 多条消息放不下" }
    saw_unfinished(n) { one "{n} message among these had no text yet and was left out" other "{n} messages among these had no text yet and were left out" | other "其中 {n} 条消息当时还没有文字，没有给它看" }
    saw_edited { "Edited since. This is today’s text, not the one that it was given." | "此后编辑过。这是现在的文字，不是当时给它的。" }
    saw_deleted { "Deleted since: the text was erased, here too." | "此后已删除，文字在这里也一并清除。" }
    saw_quote_edited { "(changed since)" | "（此后已改动）" }
    saw_quote_deleted { "(deleted since)" | "（此后已删除）" }
    saw_continued { "The beginning of its own answer, to go on from" | "它自己已写的开头，接着往下写" }
    saw_show_all(n) { one "Show all: {n} character" other "Show all: {n} characters" | other "显示全部 {n} 个字符" }
    saw_gone { "The reply was deleted, and with it what is kept of what it saw." | "这条回答已删除，它看到的内容也一并清除。" }
    saw_waits { "This attempt waits for its turn: it has not been given anything yet." | "这次回答还在排队，还没有给它看任何内容。" }
    saw_begins { "What it is given is kept together with the first words of its answer. Look again when they are there." | "给它看的内容会和回答的第一段文字一起保存，请等它开始书写后再来查看。" }
    saw_unknown { "What this attempt saw was not kept: it ended before the model was asked, or is older than this page." | "没有保存这次回答所看到的内容：它在询问模型之前就结束了，或者早于这个功能。" }

    // ---- usage
    usage { "Usage" | "用量" }
    usage_span { "How many days" | "天数" }
    usage_whose { "Which rooms" | "哪些房间" }
    usage_days(n) { one "{n} day" other "{n} days" | other "{n} 天" }
    usage_all_rooms { "All rooms" | "所有房间" }
    usage_partial { "There were more replies than can be added up at once: some are left out below. Choose fewer days." | "回答太多，无法一次统计，下面的数字不完整。请选择较少的天数。" }
    usage_nothing { "Nothing was said in these days. Choose more of them, or come back when there has been some talk." | "这段时间没有任何消息。可以选择更多天数，或者聊一聊再来。" }
    usage_numbers { "The numbers" | "查看数字" }
    usage_notes(from, to) { "From {from} to {to}, in days of UTC. Tokens are what the models’ servers report; where they report none, none are counted. A deleted reply takes its numbers with it. Prices are not known here, so nothing is said in money." | "{from}至{to}，按 UTC 划分日期。词元数由模型服务报告，没有报告的不计。删除的回答不再计入。这里不知道价格，所以不显示金额。" }
    usage_by_people { "by people" | "成员" }
    usage_by_assistants { "by assistants" | "助手" }
    usage_replies { "Replies" | "回答" }
    usage_tokens { "Tokens" | "词元" }
    usage_of_them_written(n) { "{n} of them written" | "其中写出 {n}" }
    usage_first_text { "Time to the first token" | "首个词元用时" }
    usage_first_token { "First token after" | "首个词元" }
    usage_nine_within(time) { "nine of ten within {time}" | "九成在 {time}内" }
    usage_day { "Day" | "日期" }
    usage_messages_a_day { "Messages a day" | "每天的消息" }
    usage_messages_on(day, people, replies) { "{day}: {people} by people, {replies} by assistants" | "{day}：成员 {people} 条，助手 {replies} 条" }
    usage_messages_says(people, replies) { "{people} by people and {replies} by assistants." | "成员 {people} 条，助手 {replies} 条。" }
    usage_most_on(day, n) { " Most on {day}: {n}." | "最多的一天是 {day}，共 {n} 条。" }
    usage_tokens_a_day { "Tokens a day" | "每天的词元" }
    usage_tokens_about { "Who used most stands first; all are drawn to one scale." | "用量多的在前，各图比例相同。" }
    usage_tokens_on(day, read, written) { "{day}: {read} read, {written} written" | "{day}：读入 {read}，写出 {written}" }
    usage_tokens_says(name, read, written) { "{name}: {read} tokens read and {written} written, by day" | "{name}：读入 {read} 个词元，写出 {written} 个，按天绘制" }
    usage_tokens_count(n) { "{n} tokens" | "{n} 个词元" }
    usage_others(n) { one "{n} other" other "{n} others" | other "其他 {n} 位" }
    usage_written { "written in answers" | "写出（回答）" }
    usage_read { "read in prompts" | "读入（提示）" }
    usage_read_and_written(read, written) { "{read} read, {written} written" | "读入 {read}，写出 {written}" }
    usage_nothing_on(day) { "{day}: none" | "{day}：无" }
    usage_median { "median" | "中位数" }
    usage_up_to_ninth { "up to nine of ten" | "九成以内" }
    usage_nine_of_ten { "nine of ten within" | "九成在此以内" }
    usage_first_text_on(day, median, ninth) { "{day}: half within {median}, nine of ten within {ninth}" | "{day}：一半在 {median}内，九成在 {ninth}内" }
    usage_first_text_says(median, ninth) { "Half of the replies began within {median}, nine of ten within {ninth}." | "一半的回答在 {median}内开始，九成在 {ninth}内开始。" }
    usage_speed { "Tokens a second" | "每秒词元数" }
    usage_speed_count(n) { "{n} tokens/s" | "{n} 词元/秒" }
    usage_speed_says(n) { "In the middle, replies are written at {n} tokens a second." | "回答速度的中位数为每秒 {n} 个词元。" }
    usage_ends { "How replies ended" | "回答如何结束" }
    usage_interrupted { "interrupted" | "已中断" }
    usage_failed { "failed" | "失败" }
    usage_finished_share(percent) { "{percent}% finished" | "{percent}% 完成" }
    usage_ends_of(name, said) { "{name}: {said}" | "{name}：{said}" }
    usage_ends_says(percent, n) { "{percent}% were finished, of {n} in all." | "共 {n} 次回答，{percent}% 正常完成。" }
    assistant_column { "Assistant" | "助手" }

    // ---- a message's own page
    message_in(room) { "A message in {room}" | "{room}中的消息" }
    message_by(name) = markup { "A message by {name}" | "{name} 的消息" }
    edited_when { "edited" | "编辑于" }
    watch { "Watch it being written" | "观看书写过程" }
    text { "Text" | "文字" }
    earlier_attempts { "Earlier attempts" | "之前的回答" }
    attempt_number(n) { one "Attempt {n}" other "Attempt {n}" | other "第 {n} 次回答" }
    a_continuation { ", a continuation" | "（续写）" }
    delete_message { "Delete the message" | "删除消息" }
    clock_utc(hour, minute) { "{hour}:{minute} UTC" | "{hour}:{minute} UTC" }
    ended_finished { "finished" | "已完成" }
    ended_open { "not finished" | "未完成" }
    ended_stopped { "stopped" | "已停止" }
    ended_stopped_by(name) { "stopped by {name}" | "已由 {name} 停止" }
    ended_interrupted(why) { "interrupted: {why}" | "已中断：{why}" }
    ended_failed(why) { "failed: {why}" | "失败：{why}" }
    ended_deleted { "deleted" | "已删除" }
    is_answering(name) { "{name} is answering" | "{name} 正在回答" }
    is_answering_markup(name) = markup { "{name} is answering" | "{name} 正在回答" }
    watch_hint { "Each paragraph appears when it is finished." | "每一段写完后就会出现。" }
    what_can_be_done { "What can be done with this reply" | "对这条回答的操作" }
    all_so_far { "That is all so far." | "目前就是这些。" }
    see_in_room { "See it in the room" | "在房间里查看" }

    // ---- the check of streaming
    streaming_checked { "Streaming, checked" | "流式传输检查" }
    streaming_lead(n, every) { "The server sends the numbers from 1 to {n}, one every {every}. If they arrive in lumps, something between it and you keeps them back." | "服务器会依次发送 1 到 {n}，每 {every} 一个。如果它们成批到达，说明中间有东西在缓冲。" }
    every_seconds(n) { one "second" other "{n} seconds" | other "{n} 秒" }
    every_ms(n) { one "{n} ms" other "{n} ms" | other "{n} 毫秒" }
    waiting_for_first { "Waiting for the first…" | "正在等待第一个…" }
    events_received { "Events received" | "已收到的事件" }
    events { "Events" | "事件" }
    without_script { "Without script, watch it with curl -N on this address." | "没有脚本时，可以用 curl -N 查看这个地址。" }

    // ---- what went wrong
    nothing_here { "Nothing here" | "这里什么都没有" }
    signed_out_title { "Signed out" | "已退出登录" }
    not_allowed { "Not allowed" | "没有权限" }
    has_changed { "It has changed" | "内容已变化" }
    too_fast { "Too fast" | "太快了" }
    too_large { "Too large" | "太大了" }
    not_just_now { "Just now it does not work" | "暂时无法使用" }
    no_room_left { "No room left" | "空间不足" }
    something_broke { "Something broke" | "出了点问题" }
    did_not_work { "That did not work" | "没有成功" }
    try_again { "Try again" | "再试一次" }
    to_your_rooms { "To your rooms" | "回到你的房间" }

    // ---- installed, and without a network
    app_description { "A live chat for people and language models" | "人与语言模型一起聊天的地方" }
    unreachable_title { "The server cannot be reached" | "无法连接到服务器" }
    unreachable { "Nothing is lost: what you have not sent yet stays in this browser, and this page opens as soon as the server answers." | "内容不会丢失：还没发出的文字保存在这个浏览器里。服务器恢复后，会自动打开这个页面。" }
    unreachable_tries { "Trying again by itself…" | "正在自动重试…" }
    no_network { "This device has no network at the moment. Trying again as soon as it has." | "这台设备目前没有网络，恢复后会自动重试。" }
    what_you_wrote { "What you wrote" | "你写的内容" }
    request { "request" | "请求编号" }

    // ---- what is typed: commands, pickers, files, reactions
    enter_sends { "Enter sends · Shift+Enter breaks the line" | "Enter 发送 · Shift+Enter 换行" }
    enter_breaks { "Ctrl+Enter sends · Enter breaks the line" | "Ctrl+Enter 发送 · Enter 换行" }
    enter_turn { "Turn this around on this device" | "在这台设备上对调" }
    edit_breaks { "Ctrl+Enter saves, Esc cancels" | "Ctrl+Enter 保存，Esc 取消" }
    attach { "Attach files" | "添加文件" }
    drop_here { "Drop the files here" | "把文件拖放到这里" }
    dismiss { "Dismiss" | "关闭" }
    react { "React" | "回应" }
    find_emoji { "Find an emoji" | "查找表情" }
    react_other { "Another emoji" | "其他表情" }
    command_ask { "name and question: asks an assistant" | "名字和问题：向助手提问" }
    command_stop { "stops the reply that is being written" | "停止正在写的回答" }
    command_retry { "has the newest reply tried again" | "重新生成最新的回答" }
    command_continue { "continues a reply that broke off" | "继续中断的回答" }
    command_summarise { "asks for a summary; a number says of how many messages" | "总结最近的消息，可加条数" }
    command_model { "shows the assistants here and their models" | "查看这里的助手和模型" }
    command_invite { "makes an invitation link to this room" | "生成这个房间的邀请链接" }
    command_topic { "shows the topic, or sets it" | "查看或修改话题" }
    command_me { "says what you do, in italics" | "用斜体说你在做什么" }
    summary_question(name, n) { "@{name} Summarise the last {n} messages of this room." | "@{name} 请总结这个房间最近的 {n} 条消息。" }
    topic_is(topic) { "The topic: {topic}" | "话题：{topic}" }
    topic_none { "This room has no topic yet. An owner sets one with /topic and some words." | "这个房间还没有话题。房主可以用 /topic 加文字来设置。" }
    no_assistants { "No assistant is in this room. Add one on its settings page." | "这个房间里没有助手，可以在设置页添加。" }
    model_line(name, model, speaks) { "{name}: {model}, {speaks}" | "{name}：{model}，{speaks}" }
    model_none { "no model" | "没有模型" }
    speaks_always_here { "answers everything" | "回答所有消息" }
    speaks_when_named { "answers when named" | "被提到时回答" }
    invited_here(days, link) { "This link lets one person in, within {days} days. It is shown only now, and only to you: {link}" | "这个链接可邀请一人，{days} 天内有效。只在此刻显示给你一人：{link}" }
}

impl Words {
    /// What to know of an assistant by its provider's name before trusting what it says.
    pub fn caution(self, provider: &str) -> Option<&'static str> {
        match provider {
            "builtin" => Some(self.caution_builtin()),
            "scripted" => Some(self.caution_scripted()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EN: Words = Words(Lang::En);
    const ZH: Words = Words(Lang::Zh);

    #[test]
    fn numbers_choose_their_form() {
        assert_eq!(EN.uses_left(1_i64), "For 1 more person");
        assert_eq!(EN.uses_left(1_200_i64), "For 1,200 more people");
        assert_eq!(ZH.uses_left(1_i64), "还可邀请 1 人");
    }

    #[test]
    fn names_inside_sentences_are_escaped_and_isolated() {
        assert_eq!(EN.asked_by("<b>&\"'").to_string(), "asked by <bdi>&lt;b&gt;&amp;&quot;&#39;</bdi>");
        assert_eq!(ZH.stopped_by("Ada").to_string(), "已由 <bdi>Ada</bdi> 停止。");
    }
}
