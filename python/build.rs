//! Tells the extension which interpreter it is built for.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    let version = pyo3_build_config::get().version();
    println!("cargo:rustc-env=GUNICORN_RS_PYTHON={}.{}", version.major, version.minor);
}
