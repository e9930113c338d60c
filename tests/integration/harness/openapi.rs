//! The server's description of itself, read.

use std::net::SocketAddr;

use serde_json::Value;

use super::client::Request;

/// The document of a listener.
pub(crate) async fn document(listener: SocketAddr) -> Value {
    let answer = Request::new("GET", "/openapi.json").send(listener).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.expect(200)
}

/// One operation that it describes.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    /// With the names of its parameters in braces.
    pub(crate) path: String,
    /// Which roles of administrators may call it; `None` when it needs none.
    pub(crate) roles: Option<Vec<String>>,
    /// A body that it takes.
    pub(crate) example: Option<Value>,
    /// The statuses of success.
    pub(crate) success: Vec<u16>,
}

/// All operations of a document.
pub(crate) fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("paths");
    let mut all = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("operations") {
            let roles = operation["x-roles"].as_array().map(|roles| {
                let names = roles.iter().filter_map(Value::as_str);
                names.map(str::to_owned).collect()
            });
            let content = &operation["requestBody"]["content"]["application/json"];
            let statuses = operation["responses"].as_object().expect("responses");
            all.push(Operation {
                id: operation["operationId"].as_str().expect("an id").to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                roles,
                example: content.get("example").cloned(),
                success: statuses
                    .keys()
                    .filter_map(|status| status.parse().ok())
                    .collect(),
            });
        }
    }
    all
}
