"""Where the host keeps files; the tests set ``base``."""

import os

base = ""


def get_filename_list(folder_name):
    folder = os.path.join(base, folder_name)
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def get_full_path(folder_name, filename):
    path = os.path.join(base, folder_name, filename)
    return path if os.path.isfile(path) else None


def get_temp_directory():
    return os.path.join(base, "temp")


def get_input_directory():
    return os.path.join(base, "input")


def get_output_directory():
    return os.path.join(base, "output")
