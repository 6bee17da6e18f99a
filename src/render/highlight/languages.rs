//! The languages that are known: what they are called, and what their code is made of.
//!
//! A language that is missing is a few lines here. Words are separated by spaces; a word of two lists is what the last of
//! [`Grammar`]'s lists says.

/// A language.
#[derive(Debug)]
pub(super) struct Language {
    /// Its proper name, the same in all languages of the interface.
    pub(super) name: &'static str,
    /// What people write behind a fence. The first is the one that programs know.
    pub(super) names: &'static str,
    pub(super) reader: Reader,
}

/// Who reads it.
#[derive(Debug)]
pub(super) enum Reader {
    /// No language at all.
    Plain,
    Code(&'static Grammar),
    Markup,
    Css,
    Yaml,
    Toml,
    Diff,
    Markdown,
    Session,
    Docker,
    Make,
    Tex,
}

/// A text between delimiters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub(super) open: &'static str,
    pub(super) close: &'static str,
    /// What takes the meaning from the next character. The delimiter itself: it stands for one if it is doubled.
    pub(super) escape: Option<char>,
    pub(super) many_lines: bool,
    pub(super) fill: Fill,
    /// Only behind one of these letters there is code in it.
    pub(super) fill_prefix: &'static str,
}

/// How code is put into a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    None,
    /// `$name`, `${code}`
    Dollar,
    DollarBrace,
    Brace,
    HashBrace,
    BackslashParenthesis,
}

/// What the code of a language is made of.
#[derive(Debug)]
pub(super) struct Grammar {
    pub(super) keywords: &'static str,
    /// Keywords that the name of a function follows.
    pub(super) before_function: &'static str,
    /// Keywords that the name of a type follows.
    pub(super) before_type: &'static str,
    pub(super) constants: &'static str,
    pub(super) types: &'static str,
    /// Upper and lower case are the same. The lists are in lower case then.
    pub(super) any_case: bool,
    pub(super) line_comments: &'static [&'static str],
    /// Comments between delimiters.
    pub(super) comments: &'static [(&'static str, &'static str)],
    pub(super) nested: bool,
    /// A comment begins a word, as in a shell.
    pub(super) comments_apart: bool,
    /// A line with this mark at its very start is a comment.
    pub(super) first_column: Option<&'static str>,
    pub(super) texts: &'static [Text],
    /// Letters in front of a text that belong to it.
    pub(super) prefixes: &'static str,
    /// A backslash at the end of a line goes on with a text.
    pub(super) goes_on: bool,
    /// What words hold besides letters, digits and `_`.
    pub(super) in_words: &'static str,
    /// Signs in front of the names of variables.
    pub(super) signs: &'static str,
    /// `#include` and the like.
    pub(super) directives: bool,
    /// `#[…]`
    pub(super) attributes: bool,
    /// `r#"…"#`
    pub(super) raw_hashes: bool,
    /// `1'000`
    pub(super) quoted_digits: bool,
    /// Names in front of a parenthesis are functions.
    pub(super) calls: bool,
    /// The same, only without a space between.
    pub(super) calls_tight: bool,
    /// `name!(…)`
    pub(super) bang_calls: bool,
    /// `name: …`
    pub(super) keys: bool,
    /// `"name": …`
    pub(super) quoted_keys: bool,
    pub(super) capital_types: bool,
    pub(super) capital_constants: bool,
    /// `->` leads to a member.
    pub(super) arrow_is_dot: bool,
    /// A quote behind a letter begins no text.
    pub(super) apostrophes: bool,
    /// `'c'` is a character, `'name` is something else.
    pub(super) characters: bool,
    /// `@name`
    pub(super) decorators: bool,
    /// `:name`
    pub(super) symbols: bool,
    pub(super) lisp: bool,
    /// `/…/` may be a regular expression.
    pub(super) patterns: bool,
    /// `[[…]]`, `[=[…]=]`
    pub(super) long_brackets: bool,
    /// Tags among the code.
    pub(super) tags: bool,
    /// `<<WORD`
    pub(super) here: bool,
    /// `<<<WORD`
    pub(super) here_three: bool,
    /// `$tag$`
    pub(super) dollar_texts: bool,
    /// `\name`
    pub(super) backslash_names: bool,
    /// The first word of a line is the name of a program; words that begin with `-` are its options.
    pub(super) commands: bool,
}

const fn text(quote: &'static str) -> Text {
    Text { open: quote, close: quote, escape: Some('\\'), many_lines: false, fill: Fill::None, fill_prefix: "" }
}

const DOUBLE: Text = text("\"");
const SINGLE: Text = text("'");
const BACKTICKS: Text = Text { many_lines: true, ..text("`") };
const DOUBLE_TRIPLE: Text = Text { many_lines: true, ..text("\"\"\"") };
const SINGLE_TRIPLE: Text = Text { many_lines: true, ..text("'''") };
/// Without escapes, over many lines.
const SINGLE_VERBATIM: Text = Text { many_lines: true, escape: None, ..SINGLE };

const fn filled(text: Text, fill: Fill, fill_prefix: &'static str) -> Text {
    Text { fill, fill_prefix, ..text }
}

const NOTHING: Grammar = Grammar {
    keywords: "",
    before_function: "",
    before_type: "",
    constants: "",
    types: "",
    any_case: false,
    line_comments: &[],
    comments: &[],
    nested: false,
    comments_apart: false,
    first_column: None,
    texts: &[],
    prefixes: "",
    goes_on: false,
    in_words: "",
    signs: "",
    directives: false,
    attributes: false,
    raw_hashes: false,
    quoted_digits: false,
    calls: true,
    calls_tight: false,
    bang_calls: false,
    keys: false,
    quoted_keys: false,
    capital_types: true,
    capital_constants: true,
    arrow_is_dot: false,
    apostrophes: false,
    characters: false,
    decorators: false,
    symbols: false,
    lisp: false,
    patterns: false,
    long_brackets: false,
    tags: false,
    here: false,
    here_three: false,
    dollar_texts: false,
    backslash_names: false,
    commands: false,
};

/// `//`, `/* */`, texts in quotes: what most languages took from C.
const LIKE_C: Grammar = Grammar { line_comments: &["//"], comments: &[("/*", "*/")], texts: &[DOUBLE, SINGLE], ..NOTHING };

/// `#`, texts in quotes.
const LIKE_SHELL: Grammar = Grammar { line_comments: &["#"], texts: &[DOUBLE, SINGLE], ..NOTHING };

static RUST: Grammar = Grammar {
    keywords: "as async await break const continue crate default dyn else extern for if impl in let loop match mod move mut pub ref return self static \
               super unsafe use where while yield",
    before_function: "fn",
    before_type: "struct enum trait type union",
    constants: "true false None Some Ok Err",
    types: "bool char f32 f64 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize Self",
    nested: true,
    texts: &[Text { many_lines: true, ..DOUBLE }],
    prefixes: "rbc",
    attributes: true,
    raw_hashes: true,
    bang_calls: true,
    characters: true,
    ..LIKE_C
};

static PYTHON: Grammar = Grammar {
    keywords: "and as assert async await break case continue del elif else except finally for from global if import in is lambda match nonlocal not or \
               pass raise return try while with yield self cls",
    before_function: "def",
    before_type: "class",
    constants: "True False None NotImplemented Ellipsis __name__ __file__ __main__",
    types: "bool bytes bytearray complex dict float frozenset int list object set str tuple type range",
    texts: &[
        filled(DOUBLE_TRIPLE, Fill::Brace, "fFtT"),
        filled(SINGLE_TRIPLE, Fill::Brace, "fFtT"),
        filled(DOUBLE, Fill::Brace, "fFtT"),
        filled(SINGLE, Fill::Brace, "fFtT"),
    ],
    prefixes: "rRbBuUfFtT",
    goes_on: true,
    decorators: true,
    ..LIKE_SHELL
};

const JAVASCRIPT_WORDS: &str = "as async await break case catch const continue debugger default delete do else export finally for from get if import in \
                                instanceof let of return set static super switch this throw try typeof var void while with yield";

const JAVASCRIPT: Grammar = Grammar {
    keywords: JAVASCRIPT_WORDS,
    before_function: "function",
    before_type: "class extends new",
    constants: "true false null undefined NaN Infinity",
    texts: &[DOUBLE, SINGLE, filled(BACKTICKS, Fill::DollarBrace, "")],
    goes_on: true,
    in_words: "$",
    decorators: true,
    patterns: true,
    ..LIKE_C
};

const TYPESCRIPT: Grammar = Grammar {
    keywords: "abstract as asserts async await break case catch const continue debugger declare default delete do else export finally for from get if \
               import in infer instanceof is keyof let module namespace of override private protected public readonly return satisfies set static super \
               switch this throw try typeof var void while with yield",
    before_type: "class enum extends implements interface new type",
    types: "any bigint boolean never number object string symbol unknown",
    ..JAVASCRIPT
};

static JAVASCRIPT_ALONE: Grammar = JAVASCRIPT;
static TYPESCRIPT_ALONE: Grammar = TYPESCRIPT;
static JSX: Grammar = Grammar { tags: true, apostrophes: true, ..JAVASCRIPT };
static TSX: Grammar = Grammar { tags: true, apostrophes: true, ..TYPESCRIPT };

static SHELL: Grammar = Grammar {
    keywords: "if then elif else fi for while until do done case esac in select time function return exit break continue local export readonly declare \
               typeset unset shift trap source alias set eval exec",
    constants: "true false",
    comments_apart: true,
    texts: &[Text { many_lines: true, ..filled(DOUBLE, Fill::Dollar, "") }, SINGLE_VERBATIM],
    in_words: "-.",
    signs: "$",
    calls: false,
    capital_types: false,
    capital_constants: false,
    here: true,
    commands: true,
    ..LIKE_SHELL
};

static POWERSHELL: Grammar = Grammar {
    keywords: "begin break catch continue data do dynamicparam else elseif end exit finally for foreach from if in param process return switch throw trap \
               try until using while",
    before_function: "function filter",
    before_type: "class enum",
    any_case: true,
    comments: &[("<#", "#>")],
    texts: &[filled(Text { escape: Some('`'), many_lines: true, ..DOUBLE }, Fill::Dollar, ""), SINGLE_VERBATIM],
    in_words: "-",
    signs: "$",
    capital_types: false,
    capital_constants: false,
    commands: true,
    ..LIKE_SHELL
};

const C: Grammar = Grammar {
    keywords: "auto break case const continue default do else extern for goto if inline register restrict return sizeof static switch typedef volatile \
               while _Atomic _Generic _Noreturn _Static_assert alignas alignof static_assert thread_local typeof",
    before_type: "struct enum union",
    constants: "NULL true false nullptr stdin stdout stderr",
    types: "void char short int long float double signed unsigned bool _Bool size_t ssize_t ptrdiff_t intptr_t uintptr_t int8_t int16_t int32_t int64_t \
            uint8_t uint16_t uint32_t uint64_t FILE va_list time_t",
    prefixes: "LuU8R",
    goes_on: true,
    directives: true,
    arrow_is_dot: true,
    ..LIKE_C
};

static C_ALONE: Grammar = C;

static CPP: Grammar = Grammar {
    keywords: "alignas alignof and asm auto break case catch co_await co_return co_yield concept const consteval constexpr constinit const_cast continue \
               decltype default delete do dynamic_cast else explicit export extern final for friend goto if import inline module mutable namespace new \
               noexcept not operator or override private protected public register reinterpret_cast requires return sizeof static static_assert \
               static_cast switch template this thread_local throw try typedef typeid typename using virtual volatile while",
    before_type: "struct enum union class",
    types: "void char char8_t char16_t char32_t wchar_t short int long float double signed unsigned bool size_t ssize_t ptrdiff_t int8_t int16_t int32_t \
            int64_t uint8_t uint16_t uint32_t uint64_t string string_view vector map unordered_map set unordered_set pair tuple optional variant array \
            span unique_ptr shared_ptr weak_ptr function",
    quoted_digits: true,
    ..C
};

static OBJECTIVE_C: Grammar = Grammar {
    keywords: "auto break case const continue default do else extern for goto if in inline register return self sizeof static super switch typedef \
               volatile while nonatomic strong weak copy readonly assign",
    constants: "NULL nil Nil YES NO true false",
    types: "void char short int long float double signed unsigned bool BOOL id instancetype SEL size_t",
    decorators: true,
    ..C
};

static CSHARP: Grammar = Grammar {
    keywords: "abstract as async await base break case catch checked const continue default delegate do else event explicit extern finally fixed for \
               foreach get global goto if implicit in init internal is lock nameof namespace operator out override params partial private protected public \
               readonly ref required return sealed set sizeof stackalloc static switch this throw try typeof unchecked unsafe using value var virtual \
               volatile when where while with yield",
    before_type: "class struct interface enum record new",
    constants: "true false null",
    types: "bool byte char decimal double dynamic float int long nint nuint object sbyte short string uint ulong ushort void",
    texts: &[DOUBLE_TRIPLE, filled(DOUBLE, Fill::Brace, "$"), SINGLE],
    directives: true,
    ..LIKE_C
};

static JAVA: Grammar = Grammar {
    keywords: "abstract assert break case catch const continue default do else exports final finally for goto if import instanceof module native \
               non-sealed package permits private protected public requires return sealed static strictfp super switch synchronized this throw throws \
               transient try var volatile when while yield",
    before_type: "class interface enum record extends implements new",
    constants: "true false null",
    types: "boolean byte char double float int long short void",
    texts: &[DOUBLE_TRIPLE, DOUBLE, SINGLE],
    decorators: true,
    ..LIKE_C
};

static KOTLIN: Grammar = Grammar {
    keywords: "abstract actual annotation as break by catch companion const constructor continue crossinline data do else expect external final finally \
               for get if import in infix init inline inner internal is it lateinit noinline open operator out override package private protected public \
               reified return sealed set super suspend tailrec this throw try typealias val value var vararg when where while",
    before_function: "fun",
    before_type: "class interface object enum",
    constants: "true false null",
    nested: true,
    texts: &[filled(DOUBLE_TRIPLE, Fill::Dollar, ""), filled(DOUBLE, Fill::Dollar, ""), SINGLE],
    decorators: true,
    ..LIKE_C
};

static SWIFT: Grammar = Grammar {
    keywords: "actor any as associatedtype async await borrowing break case catch consuming continue convenience default defer deinit didSet do dynamic \
               else fallthrough fileprivate final for get guard if import in indirect infix init inout internal is isolated lazy let mutating nonisolated \
               nonmutating open operator optional override postfix precedencegroup prefix private public repeat required rethrows return self set some \
               static subscript super switch throw throws try typealias unowned var weak where while willSet",
    before_function: "func macro",
    before_type: "class struct enum protocol extension",
    constants: "true false nil",
    types: "Self",
    nested: true,
    texts: &[filled(DOUBLE_TRIPLE, Fill::BackslashParenthesis, ""), filled(DOUBLE, Fill::BackslashParenthesis, "")],
    decorators: true,
    ..LIKE_C
};

static GO: Grammar = Grammar {
    keywords: "break case chan const continue default defer else fallthrough for go goto if import interface map package range return select struct \
               switch var",
    before_function: "func",
    before_type: "type",
    constants: "true false nil iota",
    types: "any bool byte comparable complex64 complex128 error float32 float64 int int8 int16 int32 int64 rune string uint uint8 uint16 uint32 uint64 \
            uintptr",
    texts: &[DOUBLE, SINGLE, Text { escape: None, ..BACKTICKS }],
    ..LIKE_C
};

static RUBY: Grammar = Grammar {
    keywords: "BEGIN END alias and begin break case defined? do else elsif end ensure extend for if in include include? loop next not or prepend private \
               protected public raise redo require require_relative rescue retry return self super then undef unless until when while yield attr_accessor \
               attr_reader attr_writer lambda proc",
    before_function: "def",
    before_type: "class module",
    constants: "true false nil __FILE__ __LINE__",
    texts: &[filled(Text { many_lines: true, ..DOUBLE }, Fill::HashBrace, ""), Text { many_lines: true, ..SINGLE }, BACKTICKS],
    in_words: "?!",
    signs: "$@",
    keys: true,
    symbols: true,
    patterns: true,
    here: true,
    ..LIKE_SHELL
};

static PHP: Grammar = Grammar {
    keywords: "abstract and as break case catch clone const continue declare default do echo else elseif empty enddeclare endfor endforeach endif \
               endswitch endwhile exit final finally for foreach global goto if include include_once instanceof insteadof isset list match namespace or \
               print private protected public readonly require require_once return static switch throw try unset use var while xor yield php",
    before_function: "function fn",
    before_type: "class interface trait enum extends implements new",
    constants: "true false null TRUE FALSE NULL __DIR__ __FILE__ __LINE__ __CLASS__",
    types: "array bool callable float int iterable mixed never object string void self parent",
    line_comments: &["//", "# "],
    texts: &[filled(Text { many_lines: true, ..DOUBLE }, Fill::Dollar, ""), Text { many_lines: true, ..SINGLE }],
    signs: "$",
    attributes: true,
    arrow_is_dot: true,
    here_three: true,
    ..LIKE_C
};

static PERL: Grammar = Grammar {
    keywords: "and bless chomp cmp defined delete die do each else elsif eq eval exists for foreach ge given grep gt if keys last le local lt map my ne \
               next no not or our package pop print printf push qw redo ref require return say scalar shift sort split sprintf state undef unless unshift \
               until use values wantarray warn when while x xor",
    before_function: "sub",
    texts: &[filled(Text { many_lines: true, ..DOUBLE }, Fill::Dollar, ""), Text { many_lines: true, ..SINGLE }, BACKTICKS],
    signs: "$@%",
    arrow_is_dot: true,
    patterns: true,
    here: true,
    ..LIKE_SHELL
};

static LUA: Grammar = Grammar {
    keywords: "and break do else elseif end for goto if in local not or repeat return then until while self",
    before_function: "function",
    constants: "true false nil _G _ENV",
    line_comments: &["--"],
    texts: &[DOUBLE, SINGLE],
    capital_types: false,
    long_brackets: true,
    ..NOTHING
};

static R: Grammar = Grammar {
    keywords: "break else for function if in next repeat return while library require",
    constants: "TRUE FALSE NULL NA NaN Inf T F",
    texts: &[Text { many_lines: true, ..DOUBLE }, Text { many_lines: true, ..SINGLE }, BACKTICKS],
    in_words: ".",
    capital_types: false,
    ..LIKE_SHELL
};

static JULIA: Grammar = Grammar {
    keywords: "abstract baremodule begin break catch const continue do else elseif end export finally for global if import in isa let local module \
               mutable outer primitive public quote return try using where while",
    before_function: "function macro",
    before_type: "struct type",
    constants: "true false nothing missing pi Inf NaN",
    comments: &[("#=", "=#")],
    nested: true,
    texts: &[filled(DOUBLE_TRIPLE, Fill::Dollar, ""), filled(DOUBLE, Fill::Dollar, "")],
    prefixes: "rbvs",
    in_words: "!",
    bang_calls: false,
    characters: true,
    decorators: true,
    symbols: true,
    ..LIKE_SHELL
};

static SCALA: Grammar = Grammar {
    keywords: "abstract as case catch derives do else end export final finally for forSome given if implicit import infix inline lazy macro match open \
               opaque override package private protected return sealed super then this throw transparent try using val var while with yield",
    before_function: "def",
    before_type: "class trait object enum type extends new",
    constants: "true false null",
    nested: true,
    texts: &[filled(DOUBLE_TRIPLE, Fill::Dollar, "sf"), filled(DOUBLE, Fill::Dollar, "sf")],
    prefixes: "sfraw",
    characters: true,
    decorators: true,
    ..LIKE_C
};

static GROOVY: Grammar = Grammar {
    keywords: "abstract as assert break case catch const continue default do else final finally for goto if import in instanceof package private \
               protected public return static super switch this throw throws trait try var while",
    before_function: "def",
    before_type: "class interface enum extends implements new",
    constants: "true false null",
    types: "boolean byte char double float int long short void",
    texts: &[filled(DOUBLE_TRIPLE, Fill::Dollar, ""), SINGLE_TRIPLE, filled(DOUBLE, Fill::Dollar, ""), SINGLE],
    decorators: true,
    ..LIKE_C
};

static DART: Grammar = Grammar {
    keywords: "abstract as assert async await base break case catch const continue covariant default deferred do dynamic else export extension external \
               factory final finally for get hide if implements import in interface is late library mixin on operator part required rethrow return sealed \
               set show static super switch sync this throw try typedef var when while with yield",
    before_type: "class enum extends new",
    constants: "true false null",
    types: "bool double int num void",
    texts: &[
        filled(DOUBLE_TRIPLE, Fill::Dollar, ""),
        filled(SINGLE_TRIPLE, Fill::Dollar, ""),
        filled(DOUBLE, Fill::Dollar, ""),
        filled(SINGLE, Fill::Dollar, ""),
    ],
    prefixes: "r",
    decorators: true,
    ..LIKE_C
};

static HASKELL: Grammar = Grammar {
    keywords: "as case class deriving do else family forall foreign hiding if import in infix infixl infixr instance let mdo module newtype of qualified \
               rec then type data where",
    constants: "True False Nothing Just Left Right",
    line_comments: &["--"],
    comments: &[("{-", "-}")],
    nested: true,
    texts: &[DOUBLE],
    in_words: "'",
    calls: false,
    capital_constants: false,
    characters: true,
    ..NOTHING
};

const OCAML: Grammar = Grammar {
    keywords: "and as assert begin class constraint do done downto else end exception external for fun function functor if in include inherit \
               initializer lazy let match method module mutable new nonrec object of open or private rec sig struct then to try type val virtual when \
               while with",
    constants: "true false None Some Ok Error",
    types: "int float bool char string bytes unit list array option ref exn",
    comments: &[("(*", "*)")],
    nested: true,
    texts: &[Text { many_lines: true, ..DOUBLE }],
    in_words: "'",
    calls: false,
    capital_constants: false,
    characters: true,
    ..NOTHING
};

static OCAML_ALONE: Grammar = OCAML;

static FSHARP: Grammar = Grammar {
    keywords: "abstract and as assert async base begin default delegate do done downcast downto elif else end exception extern finally fixed for fun \
               function global if in inherit inline interface internal lazy let match member module mutable namespace new not of open or override \
               private public rec return sig static struct task then to try type upcast use val void when while with yield",
    line_comments: &["//"],
    texts: &[DOUBLE_TRIPLE, filled(Text { many_lines: true, ..DOUBLE }, Fill::Brace, "$")],
    ..OCAML
};

static ELIXIR: Grammar = Grammar {
    keywords: "after alias and case catch cond do else end fn for if import in not or quote raise receive require rescue reraise super throw try \
               unless unquote use when with",
    before_function: "def defp defmacro defmacrop defdelegate defguard",
    before_type: "defmodule defprotocol defimpl defstruct",
    constants: "true false nil __MODULE__",
    texts: &[filled(DOUBLE_TRIPLE, Fill::HashBrace, ""), filled(Text { many_lines: true, ..DOUBLE }, Fill::HashBrace, ""), SINGLE],
    in_words: "?!",
    keys: true,
    decorators: true,
    symbols: true,
    ..LIKE_SHELL
};

static ERLANG: Grammar = Grammar {
    keywords: "after and andalso begin band bnot bor bsl bsr bxor case catch div else end export fun if import maybe module not of or orelse receive \
               record rem spec try type when xor",
    constants: "true false undefined ok error",
    line_comments: &["%"],
    texts: &[Text { many_lines: true, ..DOUBLE }, SINGLE],
    capital_constants: false,
    ..NOTHING
};

const LISP: Grammar = Grammar {
    keywords: "and begin case catch cond declare define-macro define-record-type define-syntax do dolist dotimes else eval-when flet if labels lambda \
               let let* letrec let-values loop macrolet multiple-value-bind not or prog1 progn quasiquote quote return return-from set! setf setq \
               syntax-rules unless unquote unwind-protect values when while with-slots",
    before_function: "defun defmacro define defmethod defgeneric defvar defparameter defconstant defcustom",
    before_type: "defclass defstruct",
    constants: "t nil",
    line_comments: &[";"],
    comments: &[("#|", "|#")],
    nested: true,
    texts: &[Text { many_lines: true, ..DOUBLE }],
    in_words: "-?!*+<>=/%&.",
    calls: false,
    capital_types: false,
    capital_constants: false,
    lisp: true,
    ..NOTHING
};

static LISP_ALONE: Grammar = LISP;

static CLOJURE: Grammar = Grammar {
    keywords: "and binding case catch comment cond cond-> cond->> condp do doseq dotimes finally fn for if if-let if-not if-some import let letfn loop new \
               not ns or quote recur require set! some-> some->> throw try use var when when-let when-not when-some while with-open -> ->>",
    before_function: "def defn defn- defmacro defmulti defmethod defonce",
    before_type: "defprotocol defrecord deftype definterface",
    constants: "true false nil",
    ..LISP
};

static ZIG: Grammar = Grammar {
    keywords: "addrspace align allowzero and anyframe asm async await break callconv catch comptime const continue defer else enum errdefer error export \
               extern for if inline linksection noalias noinline nosuspend opaque or orelse packed pub resume return struct suspend switch test \
               threadlocal try union unreachable usingnamespace var volatile while",
    before_function: "fn",
    constants: "true false null undefined",
    types: "anyerror anyopaque anytype bool c_char c_int c_long c_uint comptime_float comptime_int f16 f32 f64 f128 i8 i16 i32 i64 i128 isize noreturn \
            type u8 u16 u32 u64 u128 usize void",
    comments: &[],
    decorators: true,
    ..LIKE_C
};

static NIX: Grammar = Grammar {
    keywords: "assert else if in inherit let or rec then with import",
    constants: "true false null builtins",
    comments: &[("/*", "*/")],
    texts: &[
        filled(Text { many_lines: true, ..DOUBLE }, Fill::DollarBrace, ""),
        Text { open: "''", close: "''", escape: None, many_lines: true, fill: Fill::DollarBrace, fill_prefix: "" },
    ],
    in_words: "-'",
    calls: false,
    capital_types: false,
    ..LIKE_SHELL
};

static SQL: Grammar = Grammar {
    keywords: "add after all alter analyze and any as asc autoincrement before begin between by call cascade case cast check collate column commit \
               concurrently conflict constraint create cross current database declare default deferrable delete desc distinct do drop each else elsif end \
               escape except excluded exec execute exists explain fetch filter first following for foreign from full function generated grant group \
               grouping having identity if ilike immediate in index inner insert intersect into is isolation join key language last lateral left level \
               like limit lock loop materialized merge natural no not nothing nulls of offset on only or order outer over partition perform pragma \
               preceding primary procedure raise range recursive references rename replace restrict return returning returns revoke right rollback row \
               rows savepoint schema select sequence set show some start table temp temporary then to transaction trigger truncate unbounded union unique \
               update using vacuum values view virtual volatile when where while window with without",
    constants: "true false null",
    types: "bigint bigserial blob bool boolean bytea char character clob date datetime decimal double float int integer interval json jsonb money nchar \
            numeric nvarchar precision real serial smallint text time timestamp timestamptz tinyint uuid varchar varying xml",
    any_case: true,
    line_comments: &["--"],
    comments: &[("/*", "*/")],
    texts: &[
        Text { escape: Some('\''), many_lines: true, ..SINGLE },
        Text { escape: None, ..DOUBLE },
        Text { escape: None, many_lines: false, ..BACKTICKS },
    ],
    signs: "@",
    capital_types: false,
    capital_constants: false,
    dollar_texts: true,
    ..NOTHING
};

static GRAPHQL: Grammar = Grammar {
    keywords: "directive extend fragment implements input mutation on query repeatable scalar schema subscription union",
    before_type: "type interface enum",
    constants: "true false null",
    types: "Boolean Float ID Int String",
    texts: &[DOUBLE_TRIPLE, DOUBLE],
    signs: "$",
    decorators: true,
    calls: false,
    keys: true,
    ..LIKE_SHELL
};

static PROTOBUF: Grammar = Grammar {
    keywords: "extend extensions group import map oneof option optional package public repeated required reserved returns stream syntax to weak edition",
    before_function: "rpc",
    before_type: "message enum service",
    constants: "true false",
    types: "bool bytes double fixed32 fixed64 float int32 int64 sfixed32 sfixed64 sint32 sint64 string uint32 uint64",
    ..LIKE_C
};

static TERRAFORM: Grammar = Grammar {
    keywords: "backend data dynamic for for_each if in lifecycle locals module moved import output provider provisioner resource terraform variable",
    constants: "true false null",
    types: "any bool list map number object set string tuple",
    line_comments: &["#", "//"],
    texts: &[filled(DOUBLE, Fill::DollarBrace, "")],
    in_words: "-",
    here: true,
    ..LIKE_C
};

static SOLIDITY: Grammar = Grammar {
    keywords: "abstract anonymous as assembly break calldata catch constant constructor continue delete do else emit event external fallback for if \
               immutable import indexed internal is mapping memory modifier new override payable pragma private public pure receive return returns revert \
               storage try unchecked using view virtual while",
    before_function: "function",
    before_type: "contract library interface struct enum error type",
    constants: "true false this super msg block tx",
    types: "address bool byte bytes bytes32 int int256 string uint uint8 uint16 uint32 uint64 uint128 uint256",
    ..LIKE_C
};

static GDSCRIPT: Grammar = Grammar {
    keywords: "and as await break breakpoint const continue elif else export extends for if in is match not or pass preload return self setget signal \
               static super tool var while yield",
    before_function: "func",
    before_type: "class class_name enum",
    constants: "true false null PI TAU INF NAN",
    types: "bool float int void",
    texts: &[DOUBLE_TRIPLE, DOUBLE, SINGLE],
    signs: "$",
    decorators: true,
    ..LIKE_SHELL
};

static MATLAB: Grammar = Grammar {
    keywords: "break case catch classdef continue else elseif end for function global if methods otherwise parfor persistent properties return switch try \
               while",
    constants: "true false pi Inf NaN eps",
    line_comments: &["%"],
    texts: &[Text { escape: None, ..DOUBLE }, Text { escape: None, ..SINGLE }],
    apostrophes: true,
    capital_types: false,
    ..NOTHING
};

static PASCAL: Grammar = Grammar {
    keywords: "and array as asm begin case class const constructor destructor div do downto else end except exports file finalization finally for goto if \
               implementation in inherited initialization inline interface is label library mod not object of on operator or out override packed private \
               program property protected public published raise record repeat set shl shr string then threadvar to try type unit until uses var virtual \
               while with xor",
    before_function: "function procedure",
    constants: "true false nil",
    types: "boolean byte cardinal char double extended int64 integer longint real shortint single word",
    any_case: true,
    line_comments: &["//"],
    comments: &[("{", "}"), ("(*", "*)")],
    texts: &[Text { escape: Some('\''), ..SINGLE }],
    capital_types: false,
    capital_constants: false,
    ..NOTHING
};

static FORTRAN: Grammar = Grammar {
    keywords: "allocatable allocate associate call case class contains cycle deallocate dimension do elemental else elseif end enddo endif entry exit \
               external forall format go goto if implicit import in inout intent interface intrinsic kind len module namelist none nullify only open \
               operator optional out parameter pointer private procedure program public pure read recursive result return save select stop target then to \
               type use value where while write print",
    before_function: "function subroutine",
    types: "character complex double integer logical precision real",
    any_case: true,
    line_comments: &["!"],
    texts: &[Text { escape: None, ..DOUBLE }, Text { escape: None, ..SINGLE }],
    capital_types: false,
    capital_constants: false,
    ..NOTHING
};

static BASIC: Grammar = Grammar {
    keywords: "addhandler alias and andalso as async await byref byval call case catch const continue declare default dim do each else elseif end enum \
               erase error event exit finally for friend get goto handles if implements imports in inherits interface is isnot let lib like loop me mod \
               module mustinherit mustoverride mybase namespace new next not of on option optional or orelse overloads overridable overrides paramarray \
               partial private property protected public raiseevent readonly redim return select set shadows shared static step stop then throw to try \
               until using wend when while with withevents xor yield",
    before_function: "function sub",
    before_type: "class structure",
    constants: "true false nothing null empty",
    types: "boolean byte char date decimal double integer long object sbyte short single string uinteger ulong ushort variant",
    any_case: true,
    line_comments: &["'", "REM ", "rem "],
    texts: &[Text { escape: Some('"'), ..DOUBLE }],
    capital_types: false,
    capital_constants: false,
    ..NOTHING
};

static ASSEMBLY: Grammar = Grammar {
    keywords: "mov movl movq movzx movsx lea push pop call ret jmp je jne jz jnz jg jge jl jle ja jb jae jbe cmp test add sub mul imul div idiv inc dec and \
               or xor not neg shl shr sar sal nop int syscall leave enter rep ldr str ldp stp adr adrp bl b beq bne blt bgt ble bge cbz cbnz svc li la lw \
               sw ecall addi beqz bnez section global globl extern db dw dd dq resb resd resq equ",
    types: "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 eax ebx ecx edx esi edi ebp esp ax bx cx dx al bl cl dl ah bh ch dh sp lr pc x0 \
            x1 x2 x3 x4 x5 x6 x7 x8 w0 w1 w2 w3 xmm0 xmm1 xmm2 xmm3 a0 a1 a2 a3 a7 t0 t1 t2 s0 s1 ra zero byte word dword qword ptr",
    any_case: true,
    line_comments: &[";", "#", "//", "@"],
    comments: &[("/*", "*/")],
    texts: &[DOUBLE, SINGLE],
    signs: "%",
    calls: false,
    keys: true,
    capital_types: false,
    capital_constants: false,
    ..NOTHING
};

static VIM: Grammar = Grammar {
    keywords: "abort and augroup autocmd au call catch command cnoremap cmap const continue delcommand echo echoerr echom else elseif endfor endfunction \
               endif endtry endwhile execute finally for if in inoremap imap let map nmap nnoremap noremap normal onoremap return set setlocal silent \
               source syntax throw try unlet vmap vnoremap while colorscheme highlight filetype plugin",
    before_function: "function",
    constants: "v:true v:false v:null",
    first_column: Some("\""),
    texts: &[SINGLE, DOUBLE],
    capital_types: false,
    capital_constants: false,
    in_words: "#",
    ..NOTHING
};

static NGINX: Grammar = Grammar {
    keywords: "access_log add_header alias allow auth_basic client_max_body_size default_type deny error_log error_page events expires fastcgi_param \
               fastcgi_pass gzip http if include index internal keepalive_timeout limit_req listen location log_format map proxy_buffering proxy_cache \
               proxy_http_version proxy_pass proxy_read_timeout proxy_redirect proxy_set_header resolver return rewrite root send_timeout sendfile server \
               server_name set ssl_certificate ssl_certificate_key ssl_protocols stream sub_filter try_files types upstream user worker_connections \
               worker_processes reverse_proxy file_server tls encode handle",
    constants: "on off",
    signs: "$",
    calls: false,
    capital_types: false,
    capital_constants: false,
    ..LIKE_SHELL
};

static CMAKE: Grammar = Grammar {
    keywords: "if elseif else endif foreach endforeach while endwhile function endfunction macro endmacro return break continue include set unset option \
               public private interface required version components",
    constants: "on off true false",
    any_case: true,
    texts: &[filled(Text { many_lines: true, ..DOUBLE }, Fill::Dollar, "")],
    signs: "$",
    capital_types: false,
    capital_constants: false,
    ..LIKE_SHELL
};

static JSON: Grammar = Grammar {
    constants: "true false null",
    calls: false,
    capital_types: false,
    capital_constants: false,
    keys: true,
    quoted_keys: true,
    ..LIKE_C
};

static VERILOG: Grammar = Grammar {
    keywords: "always always_comb always_ff always_latch and assert assign automatic begin case casex casez default defparam disable else end endcase \
               endfunction endgenerate endinterface endmodule endpackage endtask enum for forever function generate genvar if import initial inout input \
               integer interface localparam logic module negedge nor not or output package parameter posedge real reg repeat return signed struct task \
               time typedef unsigned while wire xor",
    texts: &[DOUBLE],
    backslash_names: false,
    signs: "$`",
    capital_types: false,
    ..LIKE_C
};

macro_rules! languages {
    ($($name:literal $names:literal $reader:expr;)*) => {
        &[$(Language { name: $name, names: $names, reader: $reader }),*]
    };
}

use Reader::{Code, Css, Diff, Docker, Make, Markdown, Markup, Plain, Session, Tex, Toml, Yaml};

pub(super) static LANGUAGES: &[Language] = languages! {
    "Text" "text txt plain plaintext none nohighlight output log" Plain;
    "Assembly" "asm assembly nasm x86asm armasm s" Code(&ASSEMBLY);
    "Bash" "bash" Code(&SHELL);
    "BASIC" "vb vbnet vb.net vba vbscript basic" Code(&BASIC);
    "C" "c h" Code(&C_ALONE);
    "C++" "cpp c++ cc cxx hpp hh hxx ino arduino cuda cu" Code(&CPP);
    "C#" "csharp c# cs" Code(&CSHARP);
    "Clojure" "clojure clj cljs cljc edn" Code(&CLOJURE);
    "CMake" "cmake cmakelists.txt" Code(&CMAKE);
    "Console" "console shell-session shellsession sh-session terminal" Session;
    "CSS" "css" Css;
    "Dart" "dart" Code(&DART);
    "Diff" "diff patch udiff" Diff;
    "Dockerfile" "dockerfile docker containerfile" Docker;
    "Elixir" "elixir ex exs" Code(&ELIXIR);
    "Erlang" "erlang erl hrl" Code(&ERLANG);
    "F#" "fsharp f# fs fsx" Code(&FSHARP);
    "Fish" "fish" Code(&SHELL);
    "Fortran" "fortran f90 f95 f03 f08" Code(&FORTRAN);
    "GDScript" "gdscript gd" Code(&GDSCRIPT);
    "Go" "go golang" Code(&GO);
    "GraphQL" "graphql gql" Code(&GRAPHQL);
    "Groovy" "groovy gradle jenkinsfile" Code(&GROOVY);
    "Haskell" "haskell hs" Code(&HASKELL);
    "HCL" "hcl terraform tf tfvars" Code(&TERRAFORM);
    "HTML" "html htm xhtml jinja jinja2 django handlebars hbs erb" Markup;
    "INI" "ini cfg conf properties env dotenv editorconfig gitconfig systemd" Toml;
    "Java" "java" Code(&JAVA);
    "JavaScript" "javascript js mjs cjs node" Code(&JAVASCRIPT_ALONE);
    "JSON" "json jsonc json5 jsonl ndjson geojson webmanifest ipynb" Code(&JSON);
    "JSX" "jsx" Code(&JSX);
    "Julia" "julia jl" Code(&JULIA);
    "Kotlin" "kotlin kt kts" Code(&KOTLIN);
    "LaTeX" "latex tex" Tex;
    "Less" "less" Css;
    "Lisp" "lisp common-lisp commonlisp cl elisp emacs-lisp el" Code(&LISP_ALONE);
    "Lua" "lua luau" Code(&LUA);
    "Makefile" "makefile make mk gnumake" Make;
    "Markdown" "markdown md mdx mkd" Markdown;
    "MATLAB" "matlab octave" Code(&MATLAB);
    "nginx" "nginx nginxconf caddy caddyfile" Code(&NGINX);
    "Nix" "nix" Code(&NIX);
    "Objective-C" "objectivec objective-c objc obj-c mm" Code(&OBJECTIVE_C);
    "OCaml" "ocaml ml mli reasonml" Code(&OCAML_ALONE);
    "Pascal" "pascal delphi pas objectpascal" Code(&PASCAL);
    "Perl" "perl pl pm" Code(&PERL);
    "PHP" "php php8" Code(&PHP);
    "PowerShell" "powershell ps1 pwsh ps psm1" Code(&POWERSHELL);
    "Protocol Buffers" "protobuf proto proto3" Code(&PROTOBUF);
    "Python" "python py py3 python3 pyi pycon ipython starlark bzl" Code(&PYTHON);
    "R" "r rlang" Code(&R);
    "Ruby" "ruby rb rake gemfile irb" Code(&RUBY);
    "Rust" "rust rs rust-script" Code(&RUST);
    "Sass" "sass" Css;
    "Scala" "scala sc sbt" Code(&SCALA);
    "Scheme" "scheme scm racket rkt" Code(&LISP_ALONE);
    "SCSS" "scss" Css;
    "Shell" "sh shell zsh ksh ash dash shellscript" Code(&SHELL);
    "Solidity" "solidity sol" Code(&SOLIDITY);
    "SQL" "sql mysql postgresql postgres psql pgsql plpgsql sqlite sqlite3 tsql mssql plsql" Code(&SQL);
    "Svelte" "svelte" Markup;
    "SVG" "svg" Markup;
    "Swift" "swift" Code(&SWIFT);
    "TOML" "toml cargo.toml" Toml;
    "TSX" "tsx" Code(&TSX);
    "TypeScript" "typescript ts mts cts deno" Code(&TYPESCRIPT_ALONE);
    "Verilog" "verilog systemverilog sv v" Code(&VERILOG);
    "Vim script" "vim viml vimscript" Code(&VIM);
    "Vue" "vue" Markup;
    "XML" "xml xsd xsl xslt rss atom plist pom xaml" Markup;
    "YAML" "yaml yml docker-compose compose k8s kubernetes" Yaml;
    "Zig" "zig zon" Code(&ZIG);
};
