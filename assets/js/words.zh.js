// What the script says, in Simplified Chinese.

const numbers = new Intl.NumberFormat("zh-Hans");

/** @type {typeof import("./words.en.js").en} */
export const zh = {
  answering: (name) => `${name} 正在回答`,
  finished: (name) => `${name} 回答完毕`,
  stopped: (name) => `${name} 的回答已停止`,
  brokenOff: (name) => `${name} 未能答完`,
  pill: (count) => (count > 0 ? `${numbers.format(count)} 条新消息 · 跳到最新` : "跳到最新"),
  who: (names, shown) => (names.length <= shown + 1 ? names.join("、") : `${names.slice(0, shown).join("、")} 等另外 ${numbers.format(names.length - shown)} 位`),
  elapsed: (seconds) => `${numbers.format(seconds)} 秒`,
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
};
