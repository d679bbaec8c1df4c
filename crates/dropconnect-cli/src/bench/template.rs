//! The benchmark's own shaders, out of templates like the library's: lines that start with `//%` are statements,
//! `${...}` is replaced by a value.

use minijinja::{Environment, UndefinedBehavior, syntax::SyntaxConfig};

/// The WGSL of a template with these values. Templates are part of this program, and a test renders each: nothing here
/// fails for a user.
pub fn render(template: &str, values: &minijinja::Value) -> String {
    let syntax = SyntaxConfig::builder()
        .variable_delimiters("${", "}")
        .block_delimiters("{%", "%}")
        .line_statement_prefix("//%")
        .trim_blocks(true)
        .build()
        .expect("the delimiters differ");
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(syntax);
    environment.render_str(template, values).unwrap_or_else(|error| panic!("{error:#}"))
}
