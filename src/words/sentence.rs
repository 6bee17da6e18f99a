//! What can go wrong, in the reader's language.
//!
//! Errors are made deep inside, where nobody knows who will read them, and some are stored with a reply for readers of every language. So
//! they are made, stored, logged and sent to programs as English sentences, and put into another language where a page shows them: the
//! English sentence, with gaps for what differs each time, is the key, as in gettext. `tests/it/words.rs` reads the source and finds each
//! sentence that has no entry here.

use std::borrow::Cow;

use super::{Lang, Words};

impl Words {
    /// A sentence of ours in this language. One that has no entry, such as a provider's own words, stays as it is.
    pub fn sentence<'a>(self, english: &'a str) -> Cow<'a, str> {
        match self.0 {
            Lang::En => Cow::Borrowed(english),
            Lang::Zh => translated(english, DEPTH).map_or(Cow::Borrowed(english), Cow::Owned),
        }
    }
}

/// Whether a sentence has its entry.
pub fn is_known(english: &str) -> bool {
    translated(english, DEPTH).is_some()
}

/// What a server said, as `ServerText` quotes it in the middle of a sentence. It may hold anything, so it is set aside before looking.
const QUOTED: (&str, &str) = (" It said: “", "”");
/// Stands for it meanwhile. No sentence of ours holds a control character; one that quotes such a character is taken as it is.
const ASIDE: &str = "\u{1}";
/// Sentences inside gaps of sentences, at most: “Retry in 5 seconds.” is three. What people write stands in gaps too, and may be made of
/// thousands.
const DEPTH: usize = 4;

fn translated(english: &str, depth: usize) -> Option<String> {
    let quoted = english.find(QUOTED.0).filter(|at| *at > 0 && !english.contains(ASIDE)).and_then(|from| {
        let to = english.rfind(QUOTED.1).filter(|to| *to > from)? + QUOTED.1.len();
        // Its full stop belongs to it, where it brought none of its own.
        let to = if english[to..].starts_with('.') { to + 1 } else { to };
        Some((from, to))
    });
    match quoted {
        None => looked_up(english, depth),
        Some((from, to)) => {
            let whole = looked_up(&format!("{}{ASIDE}{}", &english[..from], &english[to..]), depth)?;
            Some(whole.replace(ASIDE, &looked_up(&english[from..to], depth)?))
        }
    }
}

/// The most specific entry wins: the one with most letters outside its gaps.
fn looked_up(english: &str, depth: usize) -> Option<String> {
    let fitting = ENTRIES.iter().filter_map(|(key, chinese)| Some((key, gaps(key, english)?, chinese)));
    let fixed = |key: &str| pieces(key).filter(|piece| !piece.gap).map(|piece| piece.text.len()).sum::<usize>();
    let (key, values, chinese) = fitting.max_by_key(|(key, ..)| fixed(key))?;
    let names: Vec<&str> = pieces(key).filter(|piece| piece.gap).map(|piece| piece.text).collect();
    let filled = pieces(chinese).map(|piece| match piece.gap {
        false => piece.text.to_owned(),
        true => {
            let value = names.iter().position(|name| *name == piece.text).map_or("", |at| values[at]);
            // What fills a gap may be a sentence of ours itself: “Retry in 5 seconds.” inside “The provider is busy …”.
            part(value, depth).unwrap_or_else(|| value.to_owned())
        }
    });
    Some(filled.collect())
}

fn part(value: &str, depth: usize) -> Option<String> {
    (depth > 0 && !value.is_empty()).then(|| translated(value, depth - 1)).flatten()
}

/// What stands in the gaps of `key` if it is `text`: each gap reaches as little far as it can, the last as far as needed.
fn gaps<'t>(key: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut values = Vec::new();
    let mut rest = text;
    let mut open = false;
    for piece in pieces(key) {
        if piece.gap {
            open = true;
            continue;
        }
        let at = if open { rest.find(piece.text)? } else { rest.starts_with(piece.text).then_some(0)? };
        if open {
            values.push(&rest[..at]);
        }
        rest = &rest[at + piece.text.len()..];
        open = false;
    }
    match open {
        true => values.push(rest),
        // The last words may stand inside the last gap as well: “… 5 s. Retry.”
        false if !rest.is_empty() => {
            let last = pieces(key).last().filter(|piece| !piece.gap)?.text;
            let gap = values.last_mut()?;
            let from = gap.as_ptr() as usize - text.as_ptr() as usize;
            *gap = text[from..].strip_suffix(last)?;
        }
        false => {}
    }
    // A whole sentence is never all gap.
    (values.iter().map(|value| value.len()).sum::<usize>() < text.len()).then_some(values)
}

struct Piece<'k> {
    text: &'k str,
    gap: bool,
}

fn pieces(key: &str) -> impl Iterator<Item = Piece<'_>> {
    key.split(['{', '}'])
        .enumerate()
        .map(|(index, text)| Piece { text, gap: index % 2 == 1 })
        .filter(|piece| piece.gap || !piece.text.is_empty())
}

/// English, with `{gaps}`, and Simplified Chinese with the same gaps, in any order.
#[rustfmt::skip]
const ENTRIES: &[(&str, &str)] = &[
    // ---- parts of sentences
    ("name", "名称"),
    ("room name", "房间名称"),
    ("For how many people", "可邀请人数"),
    ("For how many days", "有效天数"),
    ("1 second", "1 秒"),
    ("{n} seconds", "{n} 秒"),
    ("1 minute", "1 分钟"),
    ("{n} minutes", "{n} 分钟"),
    (" It said: “{text}”.", "对方说：“{text}”。"),
    (" It said: “{text}”", "对方说：“{text}”"),

    // ---- files
    ("The file is empty: there is nothing to send.", "文件是空的，没有可发送的内容。"),
    ("The file is too large: at most {n} MB fit. Make it smaller, or send a link.", "文件太大：最多 {n} MB。请缩小文件，或改为发送链接。"),
    ("Too many of your files wait to be sent: at most {n} MB at once. Send or remove some of them first; after a day they go by themselves.", "等待发送的文件太多：一次最多 {n} MB。请先发送或移除一些；一天后它们会自动清除。"),
    ("At most {n} files fit into one message: send the others in another.", "一条消息最多 {n} 个文件：其余的请另发一条。"),
    ("A file is not there any more: it was sent already, or has waited for longer than a day. Attach it again.", "文件已不在：它已经发送过，或等待超过了一天。请重新添加。"),

    // ---- why a model server could not be reached, or is not set up
    ("there is no built-in model in the data folder. Add one with “parlor model add FILE” and start the server again, or connect a provider with “parlor assistant add”.", "数据文件夹里没有内置模型。请用“parlor model add 文件”添加并重启服务器，或用“parlor assistant add”接入模型服务。"),
    ("the server was started without {variable}, which holds the key. Set it and start the server again.", "服务器启动时缺少存放密钥的变量 {variable}。请设置后重启服务器。"),
    ("no TLS certificates were found on this machine. Install the package ca-certificates.", "这台机器上没有 TLS 证书。请安装 ca-certificates。"),
    ("its address is not a URL. It should look like https://api.example.org/v1.", "它的地址不是 URL，应形如 https://api.example.org/v1。"),
    ("its address must begin with http:// or https://.", "它的地址必须以 http:// 或 https:// 开头。"),
    ("its address holds a user name or a password. Put the key into the key's own setting.", "它的地址里含有用户名或密码。请把密钥放到专门的设置里。"),
    ("its key holds characters that no key has. Copy it again.", "它的密钥含有密钥不会有的字符。请重新复制。"),
    ("one of its extra headers is not a valid header.", "它的某个附加请求头无效。"),
    ("it did not accept a connection in time", "没有及时接受连接"),
    ("its name could not be looked up", "无法解析它的域名"),
    ("its TLS certificate or protocol was not accepted", "它的 TLS 证书或协议未被接受"),
    ("nothing listens there", "那里没有服务在监听"),
    ("the connection could not be made", "无法建立连接"),
    ("the connection broke before an answer began", "回答开始之前连接中断"),
    ("something of an unknown kind", "未知类型的内容"),
    ("a web page", "一个网页"),
    ("text that is not JSON", "不是 JSON 的文字"),

    // ---- accounts and invitations
    ("The present password is not right.", "现在的密码不对。"),
    ("There is nobody of the name “{name}”.", "没有叫“{name}”的人。"),
    ("There is nobody of the name “{name}”: check the spelling, or invite them.", "没有叫“{name}”的人：请检查拼写，或邀请对方。"),
    ("There is nobody of that id.", "没有这个编号的人。"),
    ("This is the last administrator: make another one first.", "这是最后一位管理员：请先再设一位。"),
    ("Somebody has made the first account already: sign in, or ask for an invitation.", "已经有人创建了第一个账户：请登录，或索要邀请。"),
    ("The name “{name}”, or one that looks like it, is taken: choose another.", "“{name}”或与它相似的名字已被使用：请换一个。"),
    ("Only an administrator may do that.", "只有管理员可以这样做。"),
    ("The name or the password is not right.", "名字或密码不对。"),
    ("The password is too short: use at least {n} characters, for instance four words.", "密码太短：至少 {n} 个字符，比如四个词。"),
    ("The password is too long: at most {n} bytes.", "密码太长：最多 {n} 字节。"),
    ("An invitation is for 1 to {n} people.", "一个邀请可供 1 到 {n} 人使用。"),
    ("An invitation is good for 1 to {n} days.", "邀请的有效期为 1 到 {n} 天。"),
    ("This invitation is not good any more: it was used up, has expired or was revoked. Ask for a new link.", "这个邀请已失效：名额用完、已过期或被撤销。请索要新的链接。"),
    ("Nobody has an account yet. The first one is made on the machine itself, or with the set-up link that the server printed when it started.", "还没有任何账户。第一个账户要在服务器本机上创建，或使用服务器启动时打印的设置链接。"),
    ("The sign-in cannot be kept: {error}. Try again.", "无法保存登录状态：{error}。请重试。"),
    ("You could not be signed out: {error}. Try again.", "无法退出登录：{error}。请重试。"),
    ("You are signed out. Copy your text, sign in, and send it again.", "你已退出登录。请复制你写的内容，登录后重新发送。"),
    ("Somebody else had been signed in when this was written. Send it again if you want to say it.", "写这条消息时登录的是别人。如果你想说这句话，请重新发送。"),
    ("Somebody else has signed in here since this page was loaded. Load it again.", "打开本页之后，这里换了别人登录。请重新加载。"),
    ("Sign in first, or send a token: “Authorization: Bearer …”.", "请先登录，或发送令牌：“Authorization: Bearer …”。"),

    // ---- names
    ("A name cannot contain “{odd}”: use letters, digits, spaces and - _ . '", "名字不能包含“{odd}”：请使用文字、数字、空格和 - _ . '"),
    ("A name must begin with a letter or a digit, and must not end with a dot, an apostrophe or a hyphen.", "名字必须以文字或数字开头，且不能以点、撇号或连字符结尾。"),
    ("The topic contains invisible control characters: remove them.", "话题里有不可见的控制字符：请删除。"),
    ("The topic has {n} characters; at most {max} fit.", "话题有 {n} 个字符，最多 {max} 个。"),
    ("The {what} contains invisible control characters: remove them.", "{what}里有不可见的控制字符：请删除。"),
    ("The {what} is empty: write at least one character.", "{what}是空的：至少写一个字符。"),
    ("The {what} has {n} characters; at most {max} fit.", "{what}有 {n} 个字符，最多 {max} 个。"),
    ("{what} must be a number.", "{what}必须是数字。"),

    // ---- rooms
    ("There is nothing here, or it is not for you.", "这里什么都没有，或者不对你开放。"),
    ("Only an administrator may see the usage of all rooms.", "只有管理员可以查看所有房间的用量。"),
    ("Only an owner of the room may do that.", "只有房间的管理者可以这样做。"),
    ("A direct talk is between two people: choose somebody else.", "私聊只有两个人：请选择另一个人。"),
    ("A direct talk is between two people: nothing of it can be changed.", "私聊只属于两个人：没有可以更改的设置。"),
    ("You are the room's only owner: remove the other members first, or stay.", "你是这个房间唯一的管理者：请先移除其他成员，或者留下。"),
    ("Several rooms are called “{given}”: give the room's id, see “parlor room list”.", "有几个房间都叫“{given}”：请给出房间编号，见“parlor room list”。"),
    ("There is no room “{given}”: see “parlor room list”.", "没有房间“{given}”：见“parlor room list”。"),
    ("There is no assistant of the name “{name}”.", "没有叫“{name}”的助手。"),
    ("An assistant speaks “always” or on “mention”.", "助手的发言方式是“always”或“mention”。"),
    ("That is not the id of a {what}: it must be a UUID.", "这不是有效的编号：必须是 UUID。"),
    ("A direct talk is between two people: nothing of it can be changed.", "私聊只在两个人之间：它的设置无法更改。"),
    ("A direct talk is between two people: choose somebody else.", "私聊只在两个人之间：请选择别人。"),

    // ---- messages and replies
    ("The message is empty: write something first.", "消息是空的：请先写点什么。"),
    ("The message is {n} bytes long; at most {max} fit. Shorten it or send it in parts.", "消息有 {n} 字节，最多 {max} 字节。请缩短或分成几条发送。"),
    ("The message contains a NUL character: remove it.", "消息里有 NUL 字符：请删除。"),
    ("The id of a new message must be a UUID of version 7.", "新消息的编号必须是第 7 版 UUID。"),
    ("Only who wrote a message may change it.", "只有作者可以修改消息。"),
    ("Only who wrote a message, or an owner of the room, may delete it.", "只有作者或房间的管理者可以删除消息。"),
    ("The message was deleted: it cannot be changed any more.", "消息已删除，无法再修改。"),
    ("The message has changed since you began: look at it again, then save once more.", "你开始编辑之后消息有了变化：请再看一遍，然后重新保存。"),
    ("There is another message with this id: send yours again with a new one.", "已有另一条消息使用这个编号：请换一个编号重新发送。"),
    ("The message that you reply to is not in this room.", "你回复的消息不在这个房间里。"),
    ("This reply is complete: there is nothing to continue. Ask on, or try it again.", "这条回答已经完整，没有可继续的内容。可以继续提问，或再答一次。"),
    ("That is not an assistant's reply, or it was deleted.", "这不是助手的回答，或者已被删除。"),
    ("This assistant is no longer in the room: ask another one.", "这位助手已不在房间里：请问另一位。"),
    ("That was too much in a short time. Try again in {n} seconds.", "操作太频繁了。请在 {n} 秒后重试。"),
    ("A search can be {most} characters long. Shorten it.", "搜索内容最多 {most} 个字符，请缩短一些。"),
    ("There is no word in that to search for. Use letters, digits or characters.", "里面没有可以搜索的词。请使用文字或数字。"),
    ("There is no such page of results. Search again.", "没有这一页结果，请重新搜索。"),
    ("Give one of before, after and around, not several.", "before、after、around 只能给一个。"),
    ("That is not a place in a room: a cursor is <room>.<epoch>.<number>.", "这不是房间里的位置：游标的格式是 <room>.<epoch>.<number>。"),

    // ---- the server
    ("The server is shutting down. Try again in a moment.", "服务器正在关闭，请稍后重试。"),
    ("The server is busy. Try again in a moment.", "服务器正忙，请稍后重试。"),
    ("Another program holds the server's database, so this was not stored. Try again in a moment; if it stays, tell who runs the server.", "数据库被另一个程序占用，内容没有保存。请稍后重试；如果一直如此，请告诉服务器的管理者。"),
    ("The server's disk is full, so this was not stored. Keep your text and tell who runs the server; it works again as soon as there is room.", "服务器磁盘已满，内容没有保存。请留好你写的内容并告诉服务器的管理者；有空间后即可恢复。"),
    ("The database went away while this was being stored, so it may be there or not. Look before you send it again.", "保存时数据库断开了，内容可能已保存，也可能没有。重新发送前请先看一看。"),
    ("The server could not store or read this. Nothing was lost that had been sent before; try again.", "服务器未能保存或读取。之前发送的内容没有丢失，请重试。"),
    ("The API has no such call. See the README for those it has.", "API 没有这个调用，可用的调用见 README。"),
    ("This address does not take that method.", "这个地址不接受这种方法。"),
    ("What was sent cannot be read. Check its form and try again.", "发送的内容无法读取。请检查格式后重试。"),
    ("What was sent cannot be read: {why}", "发送的内容无法读取：{why}"),
    ("Something broke on the server. Try again; if it stays, tell who runs it.", "服务器出了问题。请重试；如果一直如此，请告诉它的管理者。"),
    ("That is too large: at most {n} kB fit.", "太大了：最多 {n} kB。"),
    ("Send JSON, with “Content-Type: application/json”.", "请发送 JSON，并带上“Content-Type: application/json”。"),
    ("What you sent did not arrive in time. Try again.", "发送的内容没有及时到达，请重试。"),
    ("One stream follows at most {n} rooms.", "一个流最多跟随 {n} 个房间。"),
    ("You have too many streams open. Close some tabs or programs.", "打开的流太多了。请关闭一些标签页或程序。"),
    ("Too many of these checks are open. Close some and try again.", "打开的检查太多了。请关闭一些再试。"),
    ("This page cannot be shown: {error}", "无法显示这个页面：{error}"),
    ("This was sent by a page of another site, and was refused. Open Parlor itself and do it there.", "这个请求由其他网站的页面发出，已被拒绝。请打开 Parlor 本身来操作。"),

    // ---- why a reply ended
    ("The server was stopped while this was being written.", "书写时服务器被停止了。"),
    ("The server ended while this was being written.", "书写时服务器意外结束了。"),
    ("The server could not store this for a while, so it was ended. Continue from here.", "服务器有一段时间无法保存，因此回答被终止。可以从这里继续。"),
    ("The model gave no answer. Try again, or ask in other words.", "模型没有给出回答。请重试，或换一种问法。"),
    ("The reply reached the model's limit of length.", "回答达到了模型的长度上限。"),
    ("A content filter of the provider ended the reply.", "服务商的内容过滤器终止了回答。"),
    ("This assistant's provider is not set up right: {why}", "这位助手的模型服务设置有误：{why}"),
    ("Could not reach {server}: {why}. Check that the server runs and that the address is right.", "无法连接 {server}：{why}。请检查服务器是否在运行、地址是否正确。"),
    ("The provider did not accept the API key ({status}).{said} Check the key of this assistant.", "服务商不接受这个 API 密钥（{status}）。{said}请检查这位助手的密钥。"),
    ("The provider says that the account has no credit left ({status}).{said} Top it up, or choose another provider.", "服务商说账户余额不足（{status}）。{said}请充值，或换一个服务商。"),
    ("The provider does not know this address or this model (404).{said} {hint}", "服务商不认识这个地址或模型（404）。{said}{hint}"),
    ("Check the model's name.", "请检查模型名称。"),
    ("The conversation is too long for this model.{said} Ask in a new room, or choose a model with a larger context.", "对话对这个模型来说太长了。{said}请在新房间里提问，或选择上下文更大的模型。"),
    ("The provider refused the request ({status}).{said}", "服务商拒绝了请求（{status}）。{said}"),
    ("The provider is busy ({status}).{said} {when}", "服务商正忙（{status}）。{said}{when}"),
    ("Retry in a moment.", "请稍后重试。"),
    ("Retry in {time}.", "请在 {time}后重试。"),
    ("The provider failed ({status}).{said} Retry in a moment.", "服务商出错（{status}）。{said}请稍后重试。"),
    ("The provider failed.{said} Retry in a moment.", "服务商出错。{said}请稍后重试。"),
    ("The provider's address answers with a redirect ({status}), which is not followed. Set the address it redirects to.", "服务商的地址返回了重定向（{status}），这里不会跟随。请直接设置重定向后的地址。"),
    ("What answers at this address is not a chat API: it sent {found} instead of an answer. Check the address and any proxy on the way.", "这个地址上不是聊天 API：它返回了 {found}，而不是回答。请检查地址和途中的代理。"),
    ("The provider sent something that could not be understood ({what}). Retry, or check that its API is the one chosen for this assistant.", "服务商发来了无法理解的内容（{what}）。请重试，或检查这位助手选用的 API 是否正确。"),
    ("The provider sent nothing for {time}. Retry, or continue from here.", "服务商已有 {time}没有发送任何内容。请重试，或从这里继续。"),
    ("The answer took longer than {time}, so it was ended. Continue from here if you need the rest.", "回答用时超过 {time}，因此被终止。如果需要剩下的部分，请从这里继续。"),
    ("The provider sent a single event of more than {n} bytes, so the answer was ended.", "服务商的一个事件超过了 {n} 字节，因此回答被终止。"),
    ("The answer was longer than {n} bytes, so it was ended.", "回答超过了 {n} 字节，因此被终止。"),
    ("Line {line} of the script cannot be followed: {problem}.", "脚本第 {line} 行无法执行：{problem}。"),
    ("The provider cut the answer off before its end. Continue from here, or retry.", "服务商在回答结束前中断了。可以从这里继续，或重试。"),
    ("The provider closed the connection without a word. The conversation may be too long for this model; retry, or ask in a new room.", "服务商没有回应就关闭了连接。对话可能对这个模型太长：请重试，或在新房间里提问。"),

    // ---- the built-in model
    ("There is not enough memory for this model's context.", "内存不足，容不下这个模型的上下文。"),
    ("{n} requests wait already.", "已有 {n} 个请求在等待。"),
    ("The chat template of this model makes nothing of the conversation.", "这个模型的聊天模板无法处理这段对话。"),
    ("The conversation is too long for this model: it is {n} tokens, and the model reads at most {max}.", "对话对这个模型来说太长：共 {n} 个词元，模型最多读 {max} 个。"),
    ("The conversation is too long for this model.", "对话对这个模型来说太长了。"),
    ("The model cannot compute: {error}.", "模型无法运算：{error}。"),
    ("The built-in model could not be started: {why}", "内置模型无法启动：{why}"),
    ("The built-in model's process ended in the middle of the reply.", "内置模型的进程在回答中途结束了。"),
    ("The built-in model is busy with other replies. Try again in a moment.", "内置模型正忙于其他回答，请稍后重试。"),
    ("The built-in model is shutting down.", "内置模型正在关闭。"),
    ("This model file has no chat template, so it cannot hold a conversation. Choose one that is made for chat (“instruct”).", "这个模型文件没有聊天模板，无法对话。请选择为聊天制作的模型（“instruct”）。"),
    ("The chat template of this model file holds characters that are kept for us.", "这个模型文件的聊天模板含有保留字符。"),
    ("The chat template of this model file cannot be read: {error}.", "无法读取这个模型文件的聊天模板：{error}。"),
    ("The chat template of this model refuses the conversation: {error}.", "这个模型的聊天模板拒绝了这段对话：{error}。"),
    ("The chat template of this model loses or changes what people wrote, so it cannot be used here.", "这个模型的聊天模板会丢失或改动人们写的内容，因此不能在这里使用。"),
    ("This build has no built-in model: it was made without the feature builtin-model.", "这个版本没有内置模型：编译时未启用 builtin-model。"),
    ("There is no model file {path}.", "没有模型文件 {path}。"),
    ("This machine's processor lacks {feature}, which the built-in model needs.", "这台机器的处理器缺少内置模型需要的 {feature}。"),
    ("{path} cannot be loaded: it is damaged, or of a kind that this build does not know.", "无法加载 {path}：文件已损坏，或是这个版本不认识的类型。"),

    ("Your files fill the {n} MB that one person may keep here. Delete messages whose files nobody needs, or ask who runs the server for more.", "你的文件已占满每人可用的 {n} MB。请删除不再需要的带文件的消息，或请服务器管理者增加空间。"),

    // ---- what is typed: commands and reactions
    ("There is no command /{word}. There are {known}. To say it as it is, begin with two slashes: //{same}.", "没有命令 /{word}。可用的命令：{known}。想原样发送，请以两个斜杠开头：//{same}。"),
    ("Write what to ask: /ask Name question.", "请写上要问的内容：/ask 名字 问题。"),
    ("Write how many messages to summarise, 1 to {max}: /summarise 50.", "请写上要总结多少条消息，1 到 {max}：/summarise 50。"),
    ("Write what you do: /me waves.", "请写上你在做什么：/me 挥手。"),
    ("Name one of the assistants in this room: {names}.", "请指明这个房间里的一位助手：{names}。"),
    ("There is no assistant in this room: add one on its settings page.", "这个房间里没有助手：请在设置页添加。"),
    ("Nothing is being written here that could be stopped.", "这里没有正在写的回答可以停止。"),
    ("There is no reply here that could be tried again.", "这里没有可以重试的回答。"),
    ("The newest reply is being written already: wait for it, or stop it first.", "最新的回答正在写：请等它写完，或先停止它。"),
    ("There is no reply here that broke off and could be continued.", "这里没有中断的回答可以继续。"),
    ("A reaction is one emoji: choose one from the list.", "回应是一个表情：请从列表中选择。"),
    ("There are {n} kinds of reactions under this message already: choose one of those.", "这条消息下已有 {n} 种回应：请从中选择。"),
    ("The message was deleted: nobody can react to it any more.", "这条消息已被删除，不能再回应。"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn zh(english: &str) -> String {
        Words(Lang::Zh).sentence(english).into_owned()
    }

    #[test]
    fn gaps_are_filled_in_any_order_and_parts_are_put_into_words_too() {
        assert_eq!(zh("The name is empty: write at least one character."), "名称是空的：至少写一个字符。");
        assert_eq!(
            zh("The provider is busy (429). It said: “Rate limit reached”. Retry in 2 seconds."),
            "服务商正忙（429）。对方说：“Rate limit reached”。请在 2 秒后重试。"
        );
        assert_eq!(zh("The provider failed. Retry in a moment."), "服务商出错。请稍后重试。");
        assert_eq!(
            zh("The answer took longer than 10 minutes, so it was ended. Continue from here if you need the rest."),
            "回答用时超过 10 分钟，因此被终止。如果需要剩下的部分，请从这里继续。"
        );
        assert_eq!(
            zh("There is nobody of the name “a”: check the spelling, or invite them.”: check the spelling, or invite them."),
            "没有叫“a”: check the spelling, or invite them.”的人：请检查拼写，或邀请对方。"
        );
    }

    #[test]
    fn others_words_stay_and_english_is_left_alone() {
        for text in ["", "x", "This model always fails.", "{", "}{", "名称"] {
            assert_eq!(zh(text), text);
        }
        assert_eq!(
            Words(Lang::En).sentence("The name is empty: write at least one character."),
            "The name is empty: write at least one character."
        );
    }

    #[test]
    fn what_people_write_can_be_made_of_any_number_of_sentences() {
        let nested = "What was sent cannot be read: ".repeat(8_000);
        let name = format!("There is nobody of the name “{nested}”: check the spelling, or invite them.");
        assert!(zh(&name).starts_with("没有叫“发送的内容无法读取："));
        let marks = "\u{1}".repeat(20_000);
        let quoting = format!("There is nobody of the name “{marks} It said: “{}””.", "x".repeat(20_000));
        assert!(zh(&quoting).len() < 2 * quoting.len());
    }

    #[test]
    fn both_sides_of_an_entry_have_the_same_gaps() {
        for (key, chinese) in ENTRIES {
            let names = |text| {
                let mut names: Vec<_> = pieces(text).filter(|piece| piece.gap).map(|piece| piece.text.to_owned()).collect();
                names.sort();
                names
            };
            // What an id is of can be left out: the sentence is for who writes programs.
            if !key.contains("{what}: it must be") {
                assert_eq!(names(key), names(chinese), "{key}");
            }
            assert!(!chinese.is_ascii(), "{key}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_asked_for(text in ".{0,80}") {
            let _ = zh(&text);
        }
    }
}
