// Just what src/backend_coreml*.mm use of Foundation, declared from Apple's documentation, so that
// a compiler without Apple's SDK can check their syntax, types and nullability. Nothing is defined:
// this can neither be linked nor run.
#pragma once

#include <cstddef>

using BOOL = bool;
using NSInteger = long;
using NSUInteger = unsigned long;
#define YES true
#define NO false
#define nil nullptr
#define NS_NOESCAPE __attribute__((noescape))

#pragma clang assume_nonnull begin

struct NSFastEnumerationState;
@protocol NSFastEnumeration
- (NSUInteger)countByEnumeratingWithState:(NSFastEnumerationState*)state
                                  objects:(id __unsafe_unretained _Nullable[_Nonnull])buffer
                                    count:(NSUInteger)count;
@end

@protocol NSCopying
@end

__attribute__((objc_root_class))
@interface NSObject
+ (instancetype)alloc;
- (instancetype)init;
@end

@interface NSString : NSObject <NSCopying>
+ (nullable instancetype)stringWithUTF8String:(const char*)text;
- (BOOL)isEqualToString:(NSString*)other;
@property(readonly, nullable) const char* UTF8String;
@end

@interface NSNumber : NSObject
+ (NSNumber*)numberWithLongLong:(long long)value;
@property(readonly) long long longLongValue;
@end

@interface NSArray<__covariant Object> : NSObject <NSFastEnumeration>
@property(readonly, nullable) Object firstObject;
@end

@interface NSMutableArray<Object> : NSArray <Object>
+ (instancetype)array;
- (void)addObject:(Object)object;
@end

@interface NSDictionary<__covariant Key, __covariant Object> : NSObject <NSFastEnumeration>
- (nullable Object)objectForKeyedSubscript:(Key)key;
@end

@interface NSMutableDictionary<Key, Object> : NSDictionary <Key, Object>
+ (instancetype)dictionary;
- (void)setObject:(nullable Object)object forKeyedSubscript:(Key<NSCopying>)key;
@end

@interface NSError : NSObject
@property(readonly) NSString* domain;
@property(readonly) NSInteger code;
@property(readonly) NSString* localizedDescription;
@end

extern NSString* const NSCocoaErrorDomain;
enum { NSFileWriteOutOfSpaceError = 640 };

@interface NSURL : NSObject
+ (NSURL*)fileURLWithPath:(NSString*)path isDirectory:(BOOL)folder;
@property(readonly) const char* fileSystemRepresentation;
@end

typedef enum : NSUInteger { NSCachesDirectory = 13 } NSSearchPathDirectory;
typedef enum : NSUInteger { NSUserDomainMask = 1 } NSSearchPathDomainMask;
NSArray<NSString*>* NSSearchPathForDirectoriesInDomains(NSSearchPathDirectory directory,
                                                        NSSearchPathDomainMask domain, BOOL expand);

#pragma clang assume_nonnull end
