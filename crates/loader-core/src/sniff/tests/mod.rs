mod hostile;
mod kept;
mod kinds;
mod round_trip;
mod written;
