// The runtime library: Kotlin over JNI over the C++ core. Not run where it was written; see settings.gradle.kts.
plugins {
    alias(libs.plugins.android.library)
}

val repository = rootProject.layout.projectDirectory.dir("..")
// What android_app/tools/build_executorch.sh installs: a folder an ABI.
val executorch = repository.dir("build/executorch_android")

android {
    namespace = "app.likeness.runtime"
    compileSdk = libs.versions.compileSdk.get().toInt()
    ndkVersion = libs.versions.ndk.get()

    defaultConfig {
        minSdk = libs.versions.minSdk.get().toInt()
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
        externalNativeBuild {
            cmake {
                targets += listOf("likeness", "likeness_jni")
                arguments += listOf(
                    // Only C crosses from one library to the other, so each may have a C++ library of its own.
                    "-DANDROID_STL=c++_static",
                    "-DANDROID_SUPPORT_FLEXIBLE_PAGE_SIZES=ON",
                    "-DLIKENESS_EXECUTORCH_ANDROID=$executorch",
                    // Generates the tokenizer's tables, and has nlohmann_json's header.
                    "-DLIKENESS_PYTHON=${repository.file(".venv/bin/python")}",
                )
            }
        }
    }

    externalNativeBuild {
        cmake {
            path = file("src/main/cpp/CMakeLists.txt")
            version = libs.versions.cmake.get()
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

dependencies {
    api(libs.coroutines.core)
    // Its tests load the core of this machine: android_app/tools/test_runtime.sh runs them.
}
