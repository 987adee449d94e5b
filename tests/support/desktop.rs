//! A desktop of the tests' own: X server, message bus, the app's real window, a headless browser.
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::webdriver::Session;

/// A process that ends, with all it started, when this is dropped.
#[derive(Debug)]
pub(crate) struct Kept(Child);

impl Kept {
    /// Starts a process in a group of its own.
    pub(crate) fn spawn(mut command: Command) -> Result<Self, String> {
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            command.process_group(0);
        }
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null());
        command.spawn().map(Self).map_err(|error| format!("{program} did not start: {error}"))
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The first line the process prints.
    fn first_line(&mut self) -> Result<String, String> {
        let stdout = self.0.stdout.take().ok_or("its output is not read")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // The group, because a driver's browser is its child. It is still unreaped, so the number is its own.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program that the kernel ends together with this test, even when the test is killed.
fn bound(program: &str) -> Command {
    if Path::new("/usr/bin/setpriv").exists() {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program]);
        command
    } else {
        Command::new(program)
    }
}

/// A loopback port that nothing listens on now.
pub(crate) fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| format!("no free port: {error}"))?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

/// Whether a program is installed.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A virtual screen and a message bus.
#[derive(Debug)]
pub(crate) struct Desktop {
    display: String,
    bus: String,
    home: PathBuf,
    _screen: Kept,
    _bus: Kept,
}

impl Desktop {
    /// Starts a screen of this size; the app keeps its files below `home`.
    pub(crate) fn start(width: u32, height: u32, home: &Path) -> Result<Self, String> {
        let mut screen = bound("Xvfb");
        std::fs::create_dir_all(home).map_err(|error| format!("making {}: {error}", home.display()))?;
        screen
            // The picture on the screen as a file, which is a screenshot without any tool.
            .arg("-fbdir")
            .arg(home)
            .args(["-displayfd", "1", "-screen", "0", &format!("{width}x{height}x24"), "-nolisten", "tcp", "-noreset"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut screen = Kept::spawn(screen)?;
        let display = format!(":{}", screen.first_line()?);
        if display == ":" {
            return Err("Xvfb did not name its display; is another one stuck on every number?".to_owned());
        }
        let mut bus = bound("dbus-daemon");
        bus.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]).stdout(Stdio::piped());
        bus.stderr(Stdio::null());
        let mut bus = Kept::spawn(bus)?;
        let address = bus.first_line()?;
        Ok(Self { display, bus: address, home: home.to_owned(), _screen: screen, _bus: bus })
    }

    /// The file with the picture on the screen, in the format of `xwd`.
    pub(crate) fn framebuffer(&self) -> PathBuf {
        self.home.join("Xvfb_screen0")
    }

    /// The variables an app on this desktop needs.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let home = |name: &str| self.home.join(name).display().to_string();
        vec![
            ("DISPLAY", self.display.clone()),
            ("DBUS_SESSION_BUS_ADDRESS", self.bus.clone()),
            ("HOME", self.home.display().to_string()),
            ("XDG_DATA_HOME", home("data")),
            ("XDG_CONFIG_HOME", home("config")),
            ("XDG_CACHE_HOME", home("cache")),
            ("XDG_RUNTIME_DIR", home("run")),
            // Without a desktop session there is no accessibility bus to wait for, and no GPU.
            ("NO_AT_BRIDGE", "1".to_owned()),
            ("LIBGL_ALWAYS_SOFTWARE", "1".to_owned()),
            ("WEBKIT_DISABLE_DMABUF_RENDERER", "1".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("GDK_BACKEND", "x11".to_owned()),
        ]
    }

    /// Opens the app's real window under a WebDriver.
    ///
    /// `variables` are set for the app beside those of the desktop.
    pub(crate) fn window(&self, app: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Window, String> {
        for folder in ["data", "config", "cache", "run"] {
            std::fs::create_dir_all(self.home.join(folder)).map_err(|error| format!("making a folder: {error}"))?;
        }
        let port = free_port()?;
        let log = self.home.join("window.log");
        let file = std::fs::File::create(&log).map_err(|error| format!("making {}: {error}", log.display()))?;
        let copy = file.try_clone().map_err(|error| error.to_string())?;
        let mut driver = bound("WebKitWebDriver");
        driver.arg(format!("--port={port}")).envs(self.environment());
        driver.envs(variables.iter().copied());
        driver.env_remove("WAYLAND_DISPLAY").env("PERFDECK_MULTI_INSTANCE", "1");
        driver.env("TAURI_AUTOMATION", "true").env("TAURI_WEBVIEW_AUTOMATION", "true");
        driver.stdout(file).stderr(copy);
        let driver = Kept::spawn(driver)?;
        let options = json!({"webkitgtk:browserOptions": {"binary": app, "args": arguments}});
        let session = Session::open(port, &options).map_err(|error| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            format!("the window of {} did not open: {error}\nIt said:\n{said}", app.display())
        })?;
        Ok(Window { session, driver })
    }
}

/// A window and the driver that holds it. Fields drop in order: the session closes the window, then the driver ends.
#[derive(Debug)]
pub(crate) struct Window {
    /// The page in it.
    pub(crate) session: Session,
    driver: Kept,
}

impl Window {
    /// Process id of the driver; the app and its web processes are below it.
    pub(crate) fn driver_pid(&self) -> u32 {
        self.driver.pid()
    }
}

/// A headless Chromium.
#[derive(Debug)]
pub(crate) struct Browser {
    /// The page in it.
    pub(crate) session: Session,
    _driver: Kept,
}

impl Browser {
    /// Starts Chromium with a window of this size; it keeps its profile below `home`.
    pub(crate) fn start(width: u32, height: u32, home: &Path) -> Result<Self, String> {
        let port = free_port()?;
        let mut driver = bound("chromedriver");
        driver.arg(format!("--port={port}")).env("HOME", home).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = Kept::spawn(driver)?;
        let session = Session::open(
            port,
            &json!({
                "browserName": "chrome",
                "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
                "goog:chromeOptions": {"args": [
                    "--headless=new",
                    // Chromium refuses its sandbox to root, and containers give it a tiny /dev/shm.
                    "--no-sandbox",
                    "--disable-dev-shm-usage",
                    "--disable-gpu",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    format!("--user-data-dir={}", home.join("chromium").display()),
                    format!("--window-size={width},{height}"),
                ]},
            }),
        )?;
        Ok(Self { session, _driver: driver })
    }
}
