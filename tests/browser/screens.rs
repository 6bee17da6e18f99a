//! What is seen and heard on screens that differ: with little motion, in colours of the reader's own, from right to left; and that what is
//! shown in words has them in every language, without script too.

use crate::stage::{PASSWORD, play};

/// What the box of long code says and where, and which lines the style sheet has counted.
const FOLD: &str = "(([code]) => getComputedStyle(code, '::after').content)(document.querySelectorAll('.code'))";

#[tokio::test(flavor = "multi_thread")]
async fn long_code_says_in_words_how_much_of_it_there_is() {
    play(async |stage| {
        let person = stage.first("Ada").await;
        let room = stage.room(&person, "Kitchen").await;
        let code: String = (1..=36).map(|line| format!("print({line})\n")).collect();
        person.says(&room.id, &format!("```py\n{code}```\n\nAnd so on.")).await;
        let ada = stage.browser_without_script("Ada").await;
        ada.signs_in("Ada", PASSWORD).await;
        ada.goes(&format!("/rooms/{}", room.id)).await;
        assert_eq!(ada.asks(FOLD, &[]).await, r#""Show all " counter(line) " lines" / """#);
        ada.looks("code-folded").await;
        ada.clicks_on(".fold").await;
        assert_eq!(ada.asks(FOLD, &[]).await, r#""Show less" / """#);
        ada.looks("code-unfolded").await;
        ada.does("document.documentElement.lang = 'zh-Hans'", &[]).await;
        assert_eq!(ada.asks(FOLD, &[]).await, r#""收起" / """#);
        ada.clicks_on(".fold").await;
        assert_eq!(ada.asks(FOLD, &[]).await, r#""显示全部 " counter(line) " 行" / """#);
        ada.looks("code-folded-chinese").await;
    })
    .await;
}
