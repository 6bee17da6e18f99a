//! Scripts as they travel: a page's modules in one file, with short names inside and nothing for those who read the source.
//!
//! The source stays what it is, native modules that a browser runs as they are. But half a hundred small files are as many requests, of which
//! a browser makes six at a time over plain HTTP, and each is packed without knowing the others. So what is served under a module's name is
//! that module with all that it imports: every module becomes a function that is called once, in the order in which a browser would run
//! them, and gives what it exports. Reading and shortening is done by oxc's parser and minifier, which know the language; putting together
//! is all that is ours.
//!
//! What our modules do not use is not known here, and a test over all of them would tell: cycles, `export default`, `import *`, exported
//! variables that change, and `await` outside of functions.

use std::fmt::Write;

use oxc::allocator::Allocator;
use oxc::ast::ast::{Declaration, ImportDeclarationSpecifier, Statement, VariableDeclarationKind};
use oxc::codegen::{Codegen, CodegenOptions};
use oxc::minifier::{CompressOptions, MangleOptions, Minifier, MinifierOptions};
use oxc::parser::Parser;
use oxc::span::{GetSpan, SourceType, Span};

/// A module with everything that it imports, as one script. `read` gives the source of a module by its name (`room.js`).
pub fn whole(entry: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut linked = Linked { read, done: Vec::new(), under_way: Vec::new(), out: String::new() };
    linked.add(entry)?;
    shortened(&linked.out).map_err(|why| format!("{entry}: {why}"))
}

struct Linked<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
    /// Names of the modules that are in `out`; a module's place here is its number.
    done: Vec<String>,
    under_way: Vec<String>,
    out: String,
}

impl Linked<'_> {
    /// The number of a module, which is put in if it is not there yet, after all that it needs.
    fn add(&mut self, name: &str) -> Result<usize, String> {
        if let Some(number) = self.done.iter().position(|done| done == name) {
            return Ok(number);
        }
        if self.under_way.iter().any(|waiting| waiting == name) {
            return Err(format!("{name} imports itself through {}", self.under_way.join(", ")));
        }
        self.under_way.push(name.to_owned());
        let source = (self.read)(name).ok_or_else(|| format!("there is no module {name}"))?;
        let module = Module::read(&source).map_err(|why| format!("{name}: {why}"))?;
        let mut needs = String::new();
        for import in &module.imports {
            let number = self.add(&import.from)?;
            if !import.names.is_empty() {
                let names: Vec<String> = import.names.iter().map(|(there, here)| format!("{there}:{here}")).collect();
                let _ = writeln!(needs, "const {{{}}}=m{number};", names.join(","));
            }
        }
        self.under_way.pop();
        let number = self.done.len();
        let gives = module.exports.join(",");
        let _ = writeln!(self.out, "const m{number}=(()=>{{\n{needs}{}\nreturn {{{gives}}};}})();", module.code);
        self.done.push(name.to_owned());
        Ok(number)
    }
}

/// A module taken apart.
struct Module {
    imports: Vec<Import>,
    exports: Vec<String>,
    /// Without its imports and the word `export`.
    code: String,
}

struct Import {
    /// The file's name.
    from: String,
    /// What it is called there, and here.
    names: Vec<(String, String)>,
}

impl Module {
    fn read(source: &str) -> Result<Self, String> {
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, source, SourceType::mjs()).parse();
        if let Some(first) = parsed.diagnostics.iter().next() {
            return Err(first.to_string());
        }
        let mut module = Self { imports: Vec::new(), exports: Vec::new(), code: String::new() };
        let mut left_out: Vec<Span> = Vec::new();
        for statement in &parsed.program.body {
            match statement {
                Statement::ImportDeclaration(import) => {
                    left_out.push(import.span);
                    let from = import
                        .source
                        .value
                        .strip_prefix("./")
                        .ok_or_else(|| format!("{} is not a module beside it", import.source.value))?;
                    let names = import.specifiers.iter().flatten().map(|specifier| match specifier {
                        ImportDeclarationSpecifier::ImportSpecifier(one) => {
                            Ok((one.imported.name().to_string(), one.local.name.to_string()))
                        }
                        _ => Err(format!("what is imported from {from} has no name there")),
                    });
                    module.imports.push(Import { from: from.to_owned(), names: names.collect::<Result<_, _>>()? });
                }
                Statement::ExportDeclaration(export) => {
                    left_out.push(Span::new(export.span.start, export.declaration.span().start));
                    module.exports.extend(declared(&export.declaration)?);
                }
                Statement::ExportNamedDeclaration(export) => {
                    left_out.push(export.span);
                    module.exports.extend(export.specifiers.iter().map(|one| format!("{}:{}", one.exported.name(), one.local.name())));
                }
                Statement::ExportDefaultDeclaration(_) | Statement::ExportAllDeclaration(_) | Statement::ExportFromDeclaration(_) => {
                    return Err("exports without names are not known here".to_owned());
                }
                _ => {}
            }
        }
        let mut at = 0;
        for span in left_out {
            module.code.push_str(&source[at..span.start as usize]);
            at = span.end as usize;
        }
        module.code.push_str(&source[at..]);
        Ok(module)
    }
}

/// The names that an exported declaration declares.
fn declared(declaration: &Declaration<'_>) -> Result<Vec<String>, String> {
    match declaration {
        Declaration::VariableDeclaration(variables) if variables.kind == VariableDeclarationKind::Const => {
            let names = variables.declarations.iter().map(|one| one.id.get_identifier_name().map(|name| name.to_string()));
            names.collect::<Option<_>>().ok_or_else(|| "a pattern is exported".to_owned())
        }
        Declaration::FunctionDeclaration(function) => Ok(function.name().map(|name| name.to_string()).into_iter().collect()),
        Declaration::ClassDeclaration(class) => Ok(class.name().map(|name| name.to_string()).into_iter().collect()),
        _ => Err("something is exported that may change".to_owned()),
    }
}

/// The same script with short names and without what only readers need.
fn shortened(source: &str) -> Result<String, String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::mjs()).parse();
    if let Some(first) = parsed.diagnostics.iter().next() {
        return Err(first.to_string());
    }
    let mut program = parsed.program;
    let mangle = MangleOptions { top_level: Some(true), ..MangleOptions::default() };
    let options = MinifierOptions { mangle: Some(mangle), compress: Some(CompressOptions::smallest()), ..MinifierOptions::default() };
    let names = Minifier::new(options).minify(&allocator, &mut program);
    let code = Codegen::new()
        .with_options(CodegenOptions::minify())
        .with_scoping(names.scoping)
        .with_private_member_mappings(names.class_private_mappings);
    Ok(code.build(&program).code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(files: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| files.iter().find(|(there, _)| *there == name).map(|(_, source)| (*source).to_owned())
    }

    #[test]
    fn modules_become_one_in_the_order_in_which_they_are_needed() {
        let read = from(&[
            (
                "a.js",
                "import { two as deux } from \"./b.js\";\nimport \"./c.js\";\n// a comment\nconst one = 1;\nglobalThis.said.push(one + deux());\nexport { one };",
            ),
            ("b.js", "import { one } from \"./c.js\";\nexport function two() { return one + 1; }\nexport const three = 3;"),
            ("c.js", "export const one = (globalThis.said = [\"first\"]).length;\nexport class Never {}"),
        ]);
        let script = whole("a.js", &read).unwrap();
        assert!(!script.contains("import") && !script.contains("export") && !script.contains("comment"), "{script}");
        assert!(script.find("first").unwrap() < script.find("push").unwrap(), "{script}");
    }

    #[test]
    fn what_is_not_known_here_is_told() {
        let cases: &[(&str, &str)] = &[
            ("import x from \"./b.js\";", "has no name there"),
            ("import { y } from \"elsewhere\";", "not a module beside it"),
            ("import { y } from \"./nowhere.js\";", "there is no module nowhere.js"),
            ("import { a } from \"./a.js\"; export const b = a;", "imports itself"),
            ("export let z = 1;", "may change"),
            ("export default 1;", "without names"),
            ("const = 1;", "a.js"),
        ];
        for (source, wrong) in cases {
            let read = |name: &str| match name {
                "a.js" => Some((*source).to_owned()),
                "b.js" => Some(String::new()),
                _ => None,
            };
            let told = whole("a.js", &read).unwrap_err();
            assert!(told.contains(wrong), "{source}: {told}");
        }
    }

    #[test]
    fn every_script_of_ours_can_be_put_together() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/js");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        for file in std::fs::read_dir(&folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".js") {
                whole(&name, &read).unwrap();
            }
        }
    }
}
