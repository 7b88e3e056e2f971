//! Rules of the house that no compiler keeps.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// What the manifests say. Not what it resolves to: that would need packages that only other systems are built from.
fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().unwrap()
}

/// For each of our packages, which of ours it is built from (tests aside).
fn our_dependencies(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let ours: BTreeSet<String> =
        metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    let dependencies = |package: &Package| {
        let normal = package.dependencies.iter().filter(|one| one.kind == DependencyKind::Normal);
        normal.map(|one| one.name.clone()).filter(|name| ours.contains(name)).collect()
    };
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| (package.name.to_string(), dependencies(package)))
        .collect()
}

/// Every package in the folder `services`.
fn services(metadata: &Metadata) -> Vec<String> {
    let folder = metadata.workspace_root.join("services");
    let packages = metadata.workspace_packages().into_iter();
    packages
        .filter(|package| package.manifest_path.starts_with(&folder))
        .map(|package| package.name.to_string())
        .collect()
}

#[test]
fn services_depend_on_the_shared_crates_and_never_on_each_other() {
    let metadata = metadata();
    let dependencies = our_dependencies(&metadata);
    let allowed: BTreeSet<String> = ["common", "redis-kit"].map(String::from).into();
    let services = services(&metadata);
    assert!(services.len() >= 6, "{services:?}");
    for service in services {
        assert!(dependencies[&service].is_subset(&allowed), "{service}: {:?}", dependencies[&service]);
    }
}

#[test]
fn dependencies_run_one_way_from_services_over_common_to_redis_kit() {
    let dependencies = our_dependencies(&metadata());
    assert_eq!(dependencies["redis-kit"], BTreeSet::new());
    assert_eq!(dependencies["local-redis"], BTreeSet::new());
    assert_eq!(dependencies["common"], ["redis-kit".to_owned()].into());
}

#[test]
fn what_tests_use_is_in_no_program() {
    for (package, dependencies) in our_dependencies(&metadata()) {
        assert!(!dependencies.contains("test-support"), "{package}");
    }
}

#[test]
fn every_dependency_is_declared_once_in_the_workspace() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
        let declared = tables.iter().filter_map(|table| manifest.get(*table)?.as_table()).flatten();
        let inherits = |dependency: &toml::Value| {
            dependency.get("workspace").and_then(toml::Value::as_bool).unwrap_or(false)
        };
        let own: Vec<&String> =
            declared.filter(|(_, dependency)| !inherits(dependency)).map(|(name, _)| name).collect();
        assert!(own.is_empty(), "{}: {own:?}", package.manifest_path);
    }
}
