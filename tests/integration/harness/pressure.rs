//! What presses a tenant, as the admin API tells it.

use serde_json::Value;

use super::client::admin;
use super::server::Server;
use super::wait::until;

/// The route.
pub(crate) fn path(tenant: &str) -> String {
    format!("/admin/v1/tenants/{tenant}/pressure")
}

/// The attributes of the answer.
pub(crate) async fn pressure(server: &Server, tenant: &str) -> Value {
    let mut document = admin(server, "GET", &path(tenant), None).await.expect(200);
    assert_eq!(document["data"]["type"], "pressure");
    document["data"]["attributes"].take()
}

/// One of the resources, which must be there.
pub(crate) fn resource<'a>(pressure: &'a Value, name: &str) -> &'a Value {
    let resources = pressure["resources"].as_array().expect("a list");
    let found = resources.iter().find(|resource| resource["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {pressure}"))
}

/// Waits until this resource limits the tenant, and gives it.
pub(crate) async fn limited_by(server: &Server, tenant: &str, name: &str) -> Value {
    until(&format!("{name} limits {tenant}"), async || {
        let pressure = pressure(server, tenant).await;
        (pressure["limiting"] == name).then(|| resource(&pressure, name).clone())
    })
    .await
}

/// Waits until nothing limits the tenant any more; a refusal counts for 10 s.
pub(crate) async fn free_again(server: &Server, tenant: &str) {
    until(&format!("nothing limits {tenant}"), async || {
        pressure(server, tenant).await["limiting"]
            .is_null()
            .then_some(())
    })
    .await;
}
