// What the script says, in Simplified Chinese.

const numbers = new Intl.NumberFormat("zh-Hans");

/** @type {typeof import("./words.en.js").en} */
export const zh = {
  answering: (name) => `${name} 正在回答`,
  finished: (name) => `${name} 回答完毕`,
  stopped: (name) => `${name} 的回答已停止`,
  brokenOff: (name) => `${name} 未能答完`,
  pill: (count) => (count > 0 ? `${numbers.format(count)} 条新消息 · 跳到最新` : "跳到最新"),
  who: (names, shown) => (names.length <= shown + 1 ? names.join("、") : `${names.slice(0, shown).join("、")} 和另外 ${numbers.format(names.length - shown)} 位`),
  elapsed: (seconds) => `${numbers.format(seconds)} 秒`,
  new: "新消息",
  unread: (count, since) => `${since} 以来有 ${count >= 100 ? "99+" : numbers.format(count)} 条新消息 · 跳到第一条`,
  says: (name, text) => `${name}：${text}`,
  came: (count) => `${numbers.format(count)} 条新消息`,
  queue: (name, count) => (name === "" ? `等待中……（前面还有 ${numbers.format(count)} 个）` : `正在等 ${name} 的问题答完（前面还有 ${numbers.format(count)} 个）……`),
  sending: "正在发送…",
  waiting: "等待网络…",
  waitsForFiles: "文件上传完成后立即发送。",
  fileFailed: "有文件没有上传成功。请重试或移除。",
  removeFile: (name) => `移除 ${name}`,
  uploading: (name) => `正在上传 ${name}`,
  sent: "已发送",
  notSent: "未发送",
  copied: "已复制",
  changed: "这条消息已被修改。请先复制你写的内容，再取消并重新编辑。",
  unreachable: "无法连接服务器，请重试。",
  newest: "最新的消息",
  refused: "服务器拒绝了这个请求。",
  copy: "复制",
  streamed: (count, all, lumps) => {
    const how = lumps === 0 ? "逐个到达，一切正常" : `其中 ${numbers.format(lumps)} 个成批到达：中间有东西在缓冲`;
    return `${count < all ? "已收到" : "全部收到"} ${numbers.format(count)} 个，${how}。`;
  },
  close: "关闭",
  unreadCount: (count) => (count >= 100 ? "99+ 条未读" : `${numbers.format(count)} 条未读`),
  line: ({ kind, private: closed, unread, mentions, writing }) => {
    const said = [
      closed && kind === "room" && "私密",
      unread > 0 && `${numbers.format(unread)} 条未读`,
      mentions > 0 && `${numbers.format(mentions)} 次提到你`,
      writing && "助手正在回答",
    ].filter(Boolean).join("，");
    return said && `（${said}）`;
  },
  favourite: (name) => `收藏 ${name}`,
  somethingNew: "有新消息",
  switcher: { title: "前往", field: "查找房间或成员", none: "没有符合的结果。", here: "当前房间", talk: "私聊", join: "可加入" },
  keys: {
    title: "键盘快捷键",
    find: "前往房间或成员",
    search: "搜索消息",
    rooms: "上一个、下一个房间",
    unread: "上一个、下一个未读房间",
    escape: "关闭打开的内容；全部标为已读",
    list: "显示此列表",
    send: "发送",
    line: "换行",
    edit: "输入框为空时，编辑上一条消息",
    complete: "补全名字、命令、表情",
    walk: "上一条、下一条消息",
    actions: "前往消息的操作",
  },
  isHere: "（在线）",
  types: (names) => `${names.join("、")} 正在输入…`,
  manyType: "多人正在输入…",
};
