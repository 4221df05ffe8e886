//! Parts of the world that a test does not play.

use std::path::Path;

use async_trait::async_trait;
use futures_util::stream::LocalBoxStream;
use serde_json::Value;

use crate::{
    error::Result,
    world::{Command, Engine, EngineEvent, Finished, Host, Listener, Object, PullProgress, RegistryLogin, Web},
};

/// A web, a host and an engine that nothing may ask.
pub(crate) struct Absent;

#[async_trait(?Send)]
impl Host for Absent {
    async fn run(&self, _: &Command, _: &mut dyn for<'l> FnMut(&'l str)) -> Result<Finished> {
        unreachable!("not played")
    }
    async fn spawn_detached(&self, _: &Command, _: &Path) -> Result<()> {
        unreachable!("not played")
    }
    async fn listeners(&self) -> Result<Vec<Listener>> {
        unreachable!("not played")
    }
}

#[async_trait(?Send)]
impl Engine for Absent {
    async fn version(&self) -> Result<Value> {
        unreachable!("not played")
    }
    async fn info(&self) -> Result<Value> {
        unreachable!("not played")
    }
    async fn containers(&self, _: &[String]) -> Result<Vec<Value>> {
        unreachable!("not played")
    }
    async fn inspect_container(&self, _: &str) -> Result<Option<Value>> {
        unreachable!("not played")
    }
    async fn create_container(&self, _: &str, _: Option<&str>, _: &Value) -> Result<String> {
        unreachable!("not played")
    }
    async fn start_container(&self, _: &str) -> Result<()> {
        unreachable!("not played")
    }
    async fn wait_container(&self, _: &str) -> Result<i64> {
        unreachable!("not played")
    }
    async fn stop_container(&self, _: &str, _: Option<i64>) -> Result<()> {
        unreachable!("not played")
    }
    async fn remove_container(&self, _: &str, _: bool, _: bool) -> Result<()> {
        unreachable!("not played")
    }
    async fn rename_container(&self, _: &str, _: &str) -> Result<()> {
        unreachable!("not played")
    }
    async fn upload(&self, _: &str, _: &str, _: Vec<u8>, _: bool) -> Result<()> {
        unreachable!("not played")
    }
    async fn download(&self, _: &str, _: &str, _: usize) -> Result<Option<Vec<u8>>> {
        unreachable!("not played")
    }
    async fn logs(&self, _: &str, _: usize) -> Result<Vec<String>> {
        unreachable!("not played")
    }
    async fn exec(&self, _: &str, _: &Value, _: &mut dyn for<'l> FnMut(&'l str)) -> Result<i64> {
        unreachable!("not played")
    }
    async fn inspect_image(&self, _: &str) -> Result<Option<Value>> {
        unreachable!("not played")
    }
    async fn distribution(&self, _: &str, _: Option<&RegistryLogin>) -> Result<Value> {
        unreachable!("not played")
    }
    async fn pull(
        &self,
        _: &str,
        _: Option<&str>,
        _: Option<&RegistryLogin>,
    ) -> Result<LocalBoxStream<'static, Result<PullProgress>>> {
        unreachable!("not played")
    }
    async fn tag_image(&self, _: &str, _: &str, _: &str) -> Result<()> {
        unreachable!("not played")
    }
    async fn remove_image(&self, _: &str) -> Result<()> {
        unreachable!("not played")
    }
    async fn networks(&self, _: &[String]) -> Result<Vec<Value>> {
        unreachable!("not played")
    }
    async fn create_network(&self, _: &Value) -> Result<String> {
        unreachable!("not played")
    }
    async fn remove_network(&self, _: &str) -> Result<()> {
        unreachable!("not played")
    }
    async fn connect_network(&self, _: &str, _: &str, _: &Value) -> Result<()> {
        unreachable!("not played")
    }
    async fn disconnect_network(&self, _: &str, _: &str) -> Result<()> {
        unreachable!("not played")
    }
    async fn inspect_volume(&self, _: &str) -> Result<Option<Value>> {
        unreachable!("not played")
    }
    async fn volumes(&self, _: &[String]) -> Result<Vec<Value>> {
        unreachable!("not played")
    }
    async fn create_volume(&self, _: &Value) -> Result<()> {
        unreachable!("not played")
    }
    async fn remove_volume(&self, _: &str) -> Result<()> {
        unreachable!("not played")
    }
    async fn events(&self, _: &[String]) -> Result<LocalBoxStream<'static, Result<EngineEvent>>> {
        unreachable!("not played")
    }
}

#[async_trait(?Send)]
impl Web for Absent {
    async fn get(&self, _: &url::Url, _: u64) -> Result<Object> {
        unreachable!("not played")
    }
}
