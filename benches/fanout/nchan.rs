//! nginx with Nchan, as Debian packages them: publishers and subscribers over HTTP, as many workers as there are cores.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::Server;

const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// How to get it, where it is not.
pub const INSTALL: &str = "apt-get install nginx-light libnginx-mod-nchan";

pub fn is_there() -> bool {
    Path::new(MODULE).is_file() && program().is_some()
}

fn program() -> Option<&'static str> {
    ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"].into_iter().find(|path| Path::new(path).is_file())
}

pub fn start(folder: &Path) -> Result<(Server, SocketAddr), String> {
    let folder = folder.join("nginx");
    let failed = |error: std::io::Error| format!("nginx cannot be prepared: {error}");
    fs::create_dir_all(&folder).map_err(failed)?;
    // A port that was free a moment ago: nginx cannot choose one itself.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(failed)?;
    let config = folder.join("nginx.conf");
    fs::write(&config, configuration(&folder, address)).map_err(failed)?;
    let mut command = Command::new(program().ok_or("nginx is not there")?);
    command.arg("-e").arg(folder.join("error.log")).arg("-p").arg(&folder).arg("-c").arg(&config);
    let server = Server::start_silent(command)?;
    for _ in 0..100 {
        if TcpStream::connect(address).is_ok() {
            return Ok((server, address));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
    Err(format!("nginx does not listen: {log}"))
}

fn configuration(folder: &Path, address: SocketAddr) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let folder = folder.display();
    // As root nginx would let its workers be somebody who may not enter a temporary folder.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "load_module {MODULE};
daemon off;
{user}
pid {folder}/pid;
error_log {folder}/error.log warn;
worker_processes {cores};
worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
http {{
    access_log off;
    tcp_nodelay on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    nchan_shared_memory_size 256m;
    nchan_message_buffer_length 1024;
    nchan_message_timeout 10m;
    server {{
        listen {address} backlog=4096;
        keepalive_requests 10000000;
        location = /say {{
            nchan_publisher;
            nchan_channel_id room;
        }}
        location = /live {{
            nchan_subscriber eventsource;
            nchan_channel_id room;
            nchan_subscriber_first_message newest;
        }}
    }}
}}
"
    )
}
