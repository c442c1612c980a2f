//! Holds every exchange of the tests against `openapi.json`. Knows the part of JSON Schema that file uses; a keyword it
//! does not know is a failure, so that nothing stands there unchecked.

use regex::Regex;
use serde_json::{Map, Value};
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../openapi.json")).expect("openapi.json is JSON"));

/// Keywords that say nothing about validity.
const SILENT: &[&str] = &["description"];

/// One exchange as it went over the wire.
pub struct Exchange<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub request: Option<&'a str>,
    pub status: u16,
    /// Value of a header.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    pub body: &'a [u8],
}

/// Whether the exchange is one that `openapi.json` describes.
pub fn check(exchange: &Exchange<'_>) -> Result<(), String> {
    let Some(operation) = operation(exchange.method, exchange.path) else {
        return match exchange.status {
            404 => response(exchange, &json("#/components/responses/NotFound")),
            400 => response(exchange, &json("#/components/responses/Invalid")),
            status => Err(format!("{} {} is not described and answered {status}", exchange.method, exchange.path)),
        };
    };
    if let (Some(schema), Some(text)) =
        (operation.pointer("/requestBody/content/application~1json/schema"), exchange.request)
    {
        let judged = match serde_json::from_str(text) {
            Ok(value) => validate(schema, &value, "request"),
            Err(error) => Err(error.to_string()),
        };
        match judged {
            Err(why) if exchange.status < 400 => return Err(format!("accepted although {why}")),
            _ => {}
        }
    }
    let described = operation["responses"].get(exchange.status.to_string());
    let described = described.ok_or_else(|| format!("status {} is not described", exchange.status))?;
    response(exchange, described)
}

/// All operations, as method and path.
pub fn operations() -> Vec<(String, String)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&String, &Value)| {
        let methods: Vec<String> = methods.as_object().unwrap().keys().cloned().collect();
        methods.into_iter().map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// The published schema of this name.
pub fn schema(name: &str) -> Value {
    json(&format!("#/components/schemas/{name}"))
}

fn operation(method: &str, path: &str) -> Option<Value> {
    let path = path.split('?').next().unwrap_or_default();
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let (mut wanted, mut found) = (template.split('/'), path.split('/'));
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return true,
                (Some(wanted), Some(found)) if wanted.starts_with('{') || wanted == found => {}
                _ => return false,
            }
        }
    };
    let item = paths.get(path).or_else(|| paths.iter().find(|(template, _)| fits(template)).map(|(_, item)| item))?;
    item.get(method.to_lowercase()).cloned()
}

fn response(exchange: &Exchange<'_>, described: &Value) -> Result<(), String> {
    let described = resolve(described);
    for (name, header) in described["headers"].as_object().into_iter().flatten() {
        let header = resolve(header);
        match (exchange.header)(name) {
            Some(text) => validate(&header["schema"], &Value::String(text), name)?,
            None if header["required"] == true => return Err(format!("header {name} is missing")),
            None => {}
        }
    }
    let Some(content) = described["content"].as_object() else { return Ok(()) };
    let kind = (exchange.header)("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    let media = content.get(kind).ok_or_else(|| format!("content type {kind} is not described"))?;
    if kind != "application/json" {
        return Ok(());
    }
    let value: Value = serde_json::from_slice(exchange.body).map_err(|error| error.to_string())?;
    validate(&media["schema"], &value, "body")
}

fn json(pointer: &str) -> Value {
    DOCUMENT.pointer(pointer.trim_start_matches('#')).unwrap_or_else(|| panic!("{pointer} is not there")).clone()
}

fn resolve(value: &Value) -> Value {
    match value["$ref"].as_str() {
        Some(pointer) => resolve(&json(pointer)),
        None => value.clone(),
    }
}

/// Whether a value is what a schema says.
pub fn validate(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolve(schema);
    for (keyword, wanted) in schema.as_object().expect("a schema is an object") {
        let wrong = |why: String| Err(format!("{at}: {why}: {}", shorten(value)));
        let holds = match (keyword.as_str(), value) {
            (keyword, _) if SILENT.contains(&keyword) => true,
            ("type", _) => wanted.as_str() == Some(kind(value)),
            ("const", _) => wanted == value,
            ("enum", _) => wanted.as_array().unwrap().contains(value),
            ("oneOf", _) => {
                wanted.as_array().unwrap().iter().filter(|schema| validate(schema, value, at).is_ok()).count() == 1
            }
            ("pattern", Value::String(text)) => Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text),
            ("minLength", Value::String(text)) => text.len() as u64 >= wanted.as_u64().unwrap(),
            ("minimum", Value::Number(number)) => number.as_i64() >= wanted.as_i64(),
            ("maximum", Value::Number(number)) => number.as_i64() <= wanted.as_i64(),
            ("minItems", Value::Array(items)) => items.len() as u64 >= wanted.as_u64().unwrap(),
            ("maxItems", Value::Array(items)) => items.len() as u64 <= wanted.as_u64().unwrap(),
            ("items", Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    validate(wanted, item, &format!("{at}[{index}]"))?;
                }
                true
            }
            ("properties", Value::Object(object)) => {
                properties(wanted, object, at)?;
                true
            }
            ("required", Value::Object(object)) => {
                wanted.as_array().unwrap().iter().all(|name| object.contains_key(name.as_str().unwrap()))
            }
            ("additionalProperties", Value::Object(object)) if *wanted == false => {
                object.keys().all(|name| schema["properties"].get(name).is_some())
            }
            ("pattern" | "minLength" | "minimum" | "maximum" | "minItems" | "maxItems" | "items" | "properties", _)
            | ("required" | "additionalProperties", _) => true,
            (unknown, _) => panic!("{at}: this validator does not know `{unknown}`"),
        };
        if !holds {
            return wrong(format!("{keyword} {}", shorten(wanted)));
        }
    }
    Ok(())
}

fn properties(wanted: &Value, object: &Map<String, Value>, at: &str) -> Result<(), String> {
    for (name, schema) in wanted.as_object().unwrap() {
        if let Some(value) = object.get(name) {
            validate(schema, value, &format!("{at}.{name}"))?;
        }
    }
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn shorten(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}
