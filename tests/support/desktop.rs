//! A desktop of the tests' own: X server, message bus, the app's real window, a headless browser.
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::start;
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

    /// Waits until it has ended by itself; then its number is nobody's that may be killed.
    pub(crate) fn ended(self) {
        let mut kept = std::mem::ManuallyDrop::new(self);
        let _ = kept.0.wait();
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
    // Where root's programs are, which are not on everybody's path.
    let more = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).any(|folder| folder.join(program).is_file())
}

/// A session bus on which no service of the machine is started: what a keychain there would ask, nobody answers.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

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
    /// Starts a screen of this size; what is started on it keeps its files below `home`.
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
        let config = home.join("bus.conf");
        std::fs::write(&config, BUS).map_err(|error| format!("writing {}: {error}", config.display()))?;
        let mut bus = bound("dbus-daemon");
        bus.arg(format!("--config-file={}", config.display()));
        bus.args(["--nofork", "--nopidfile", "--print-address=1"]).stdout(Stdio::piped());
        bus.stderr(Stdio::null());
        let mut bus = Kept::spawn(bus)?;
        let address = bus.first_line()?;
        Ok(Self { display, bus: address, home: home.to_owned(), _screen: screen, _bus: bus })
    }

    /// The screen's name.
    pub(crate) fn display(&self) -> &str {
        &self.display
    }

    /// The file with the picture on the screen, in the format of `xwd`.
    pub(crate) fn framebuffer(&self) -> PathBuf {
        self.home.join("Xvfb_screen0")
    }

    /// Puts a program on this desktop, with folders of its own; nothing else about it is changed.
    pub(crate) fn place(&self, command: &mut Command) -> Result<(), String> {
        start::without_screen(command);
        start::set(command, "DISPLAY", &self.display);
        start::set(command, "DBUS_SESSION_BUS_ADDRESS", &self.bus);
        for (name, folder) in FOLDERS {
            let folder = self.home.join(folder);
            std::fs::create_dir_all(&folder).map_err(|error| format!("making {}: {error}", folder.display()))?;
            start::set(command, name, folder);
        }
        Ok(())
    }

    /// Where a program on this desktop keeps its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.join("data/perfdeck")
    }

    /// The driver of a window, ready to be started.
    pub(crate) fn driver(&self, port: u16) -> Result<Command, String> {
        let mut driver = bound("WebKitWebDriver");
        driver.arg(format!("--port={port}"));
        self.place(&mut driver)?;
        start::set(&mut driver, "PERFDECK_MULTI_INSTANCE", "1");
        start::set(&mut driver, "TAURI_AUTOMATION", "true");
        start::set(&mut driver, "TAURI_WEBVIEW_AUTOMATION", "true");
        Ok(driver)
    }

    /// Opens the app's real window under a WebDriver. `app` is the program, or one that starts it.
    pub(crate) fn window(&self, app: &Path, arguments: &[&str]) -> Result<Window, String> {
        let port = free_port()?;
        let log = self.home.join("window.log");
        let file = std::fs::File::create(&log).map_err(|error| format!("making {}: {error}", log.display()))?;
        let copy = file.try_clone().map_err(|error| error.to_string())?;
        let mut driver = self.driver(port)?;
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

/// Folders of an app's own, by the variables that name them.
const FOLDERS: &[(&str, &str)] = &[
    ("XDG_DATA_HOME", "data"),
    ("XDG_CONFIG_HOME", "config"),
    ("XDG_CACHE_HOME", "cache"),
    ("XDG_RUNTIME_DIR", "run"),
];

/// A window and the driver that holds it. Fields drop in order: the session closes the window, then the driver ends.
#[derive(Debug)]
pub(crate) struct Window {
    /// The page in it.
    pub(crate) session: Session,
    driver: Kept,
}

impl Window {
    /// Process id of the app, below which its web processes are.
    pub(crate) fn app_pid(&self) -> Result<u32, String> {
        below(self.driver.pid(), "perfdeck")
            .ok_or_else(|| "the app's process was not found below its driver".to_owned())
    }
}

/// The first process below this one with this name.
fn below(pid: u32, name: &str) -> Option<u32> {
    let mut open = vec![pid];
    while let Some(pid) = open.pop() {
        if std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name) {
            return Some(pid);
        }
        // A child is listed with the thread that started it.
        for thread in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            open.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    None
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
        driver.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        start::set(&mut driver, "HOME", home);
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
